package testenv

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestCaptureOnAPortSeesWhatReachesIt(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	la := lan.Attach(a, "198.51.100.1/24")
	lb := lan.Attach(b, "198.51.100.2/24")
	atSwitch, atPort := lan.Capture(), lb.Capture()
	la.ProbeARP("198.51.100.77", 5*time.Millisecond)
	request := func(f Frame) bool { return f.ARP != nil && isProbe(f.Src) }
	atPort.Await("a request", awaitLimit, request)
	lan.Cut(a, b)
	cut := After(time.Now())
	eventually(t, "requests at the switch", func() error {
		if n := len(atSwitch.Frames().Where(request, cut)); n < 10 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	if through := atPort.Frames().Where(request, cut); len(through) > 0 {
		t.Errorf("%d requests came through a cut, the first: %v", len(through), through[0])
	}
}

func TestCaptureWithoutALinkLeavesItOut(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	la, lb := lan.Attach(a, "198.51.100.1/24"), lan.Attach(b, "198.51.100.2/24")
	all, some := lan.Capture(), lan.Capture()
	some.Without(la)
	since := After(time.Now()) // the kernel has spoken for a before
	for _, h := range []*Host{a, b} {
		if conn, err := h.Dial(t.Context(), "198.51.100.77:80"); err == nil { // nobody answers its ARP requests
			conn.Close()
		}
	}
	request := func(f Frame) bool { return f.ARP != nil }
	all.Await("a request of a", awaitLimit, request, From(la))
	some.Await("a request of b", awaitLimit, request, From(lb))
	if left := some.Frames().Where(From(la), since); len(left) > 0 {
		t.Errorf("%d frames of a were captured, the first: %v", len(left), left[0])
	}
}

// TestCaptureOutlastsABurst: many virtual routers speak while nobody reads.
func TestCaptureOutlastsABurst(t *testing.T) {
	t.Parallel()
	const many = 2000
	lab := New(t)
	lan := lab.Bridge("lan")
	link := lan.Attach(lab.Host("a"), "198.51.100.1/24")
	capture := lan.Capture()
	capture.mu.Lock() // its reader waits
	for range many {
		link.SendVRRP("198.51.100.1", 255, []byte{0x31, 7, 100, 0, 0, 100, 0, 0})
	}
	capture.mu.Unlock()
	eventually(t, "all frames to be read", func() error {
		if n := len(capture.Frames().Where(From(link), IsAdvert(7))); n < many {
			return fmt.Errorf("%d of %d", n, many)
		}
		return nil
	})
}

// TestCaptureDecodesVRRP reads what another implementation writes.
func TestCaptureDecodesVRRP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		version   int
		interval  time.Duration
		addresses []string
		dst       string
		sum       Checksum
	}{
		{"version 2", 2, time.Second, []string{"198.51.100.100", "198.51.100.101"}, "224.0.0.18", ChecksumMessage},
		{"version 3", 3, 250 * time.Millisecond, []string{"198.51.100.100", "198.51.100.101"}, "224.0.0.18", ChecksumPseudoHeader},
		{"version 3, IPv6", 3, 250 * time.Millisecond, []string{"fe80::100", "2001:db8::100"}, "ff02::12", ChecksumPseudoHeader},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := New(t)
			lan := lab.Bridge("lan")
			a := lab.Host("a")
			link := lan.Attach(a, "198.51.100.1/24", "2001:db8::1/64")
			capture := lan.Capture()
			lab.StartKeepalived(a, fmt.Sprintf(`
global_defs { vrrp_version %d }
vrrp_instance web {
	interface eth0
	virtual_router_id 7
	priority 150
	advert_int %v
	virtual_ipaddress { %s
		%s }
}
`, c.version, c.interval.Seconds(), c.addresses[0], c.addresses[1]))
			f := capture.Await("an advertisement", awaitLimit, IsAdvert(7), WithPriority(150), From(link))
			var want []netip.Addr
			for _, addr := range c.addresses {
				want = append(want, netip.MustParseAddr(addr))
				capture.Await("an announcement of "+addr, awaitLimit, Announces(addr), From(link))
			}
			ad := f.Advert
			if ad.Version != c.version || ad.Interval != c.interval || ad.Checksum != c.sum || !slices.Equal(ad.Addresses, want) {
				t.Errorf("decoded %+v", ad)
			}
			if f.IP.Dst.String() != c.dst || f.IP.TTL != 255 || f.From != "a/eth0" {
				t.Errorf("decoded %+v from %s", f.IP, f.From)
			}
			broken := slices.Clone(f.Data)
			broken[len(broken)-1] ^= 1
			if got := decodeFrame(broken, f.At).Advert; got == nil || got.Checksum != ChecksumWrong {
				t.Errorf("with a flipped bit it is %+v", got)
			}
		})
	}
}
