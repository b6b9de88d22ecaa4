package lan

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"ngha/testenv"
)

// TestAnnouncementOnTheWire has the layout of RFC 826.
func TestAnnouncementOnTheWire(t *testing.T) {
	p := newPair(t)
	var s *socket
	must(t, p.hostB, func() (err error) {
		s, err = openARP(p.b.index, true)
		return err
	})
	defer s.close()
	if err := p.a.Announce(); err != nil {
		t.Fatal(err)
	}
	var b [64]byte
	n, err := s.file.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	m := p.hostA.Links()[0].MAC()
	want := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	want = append(want, m...)
	want = append(want, 198, 51, 100, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 198, 51, 100, 100)
	if diff := cmp.Diff(want, b[:n]); diff != "" {
		t.Errorf("announcement (-want +got):\n%s", diff)
	}
}

// resolved sends a datagram from h to the virtual address, and waits until h
// has asked and been told where it is.
func resolved(t *testing.T, lab *testenv.Lab, h *testenv.Host, want net.HardwareAddr) {
	t.Helper()
	must(t, h, func() error {
		c, err := net.Dial("udp4", "198.51.100.100:9")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("x"))
		return err
	})
	atMAC(t, lab, h, want)
}

func atMAC(t *testing.T, lab *testenv.Lab, h *testenv.Host, want net.HardwareAddr) {
	t.Helper()
	lab.Await("the client to know where the address is", limit, func() error {
		if got := h.Neighbor("198.51.100.100"); got.String() != want.String() {
			return errFound(lab.Owner(got))
		}
		return nil
	})
}

func TestAnnounceMovesTheEntryOfAClient(t *testing.T) {
	p := newPair(t)
	client := p.lab.Host("client")
	p.lan.Attach(client, "198.51.100.9/24")
	acquire(t, p.a)
	resolved(t, p.lab, client, p.hostA.Links()[0].MAC())

	if err := p.a.Release(); err != nil {
		t.Fatal(err)
	}
	acquire(t, p.b)
	if err := p.b.Announce(); err != nil {
		t.Fatal(err)
	}
	atMAC(t, p.lab, client, p.hostB.Links()[0].MAC())
}

func TestNewHardwareAddressIsAnnounced(t *testing.T) {
	p := newPair(t)
	client := p.lab.Host("client")
	p.lan.Attach(client, "198.51.100.9/24")
	acquire(t, p.a)
	resolved(t, p.lab, client, p.hostA.Links()[0].MAC())

	fresh := net.HardwareAddr{0x02, 0, 0, 0xaa, 0xbb, 0xcc}
	must(t, p.hostA, func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetHardwareAddr(l, fresh)
	})
	atMAC(t, p.lab, client, fresh)
	p.hostA.Links()[0].PortDown()
	p.watchA.first("no carrier") // the Port has stayed
}

// probe runs Probe in h until ctx ends.
func probe(t *testing.T, ctx context.Context, h *testenv.Host, name, addr string) error {
	t.Helper()
	return h.Do(func() error { return Probe(ctx, name, netip.MustParseAddr(addr)) })
}

func TestProbeIsAnsweredByWhoeverIsThere(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, name := range []string{"", "eth0"} {
		if err := probe(t, ctx, p.hostA, name, "198.51.100.2"); err != nil {
			t.Errorf("Probe(%q): %v", name, err)
		}
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := probe(t, ctx, p.hostA, "", "198.51.100.77"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Probe of nobody: %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestProbeNamesWhatItLacks(t *testing.T) {
	_, h := solo(t)
	for _, tt := range []struct {
		name, addr string
		want       []string
	}{
		{"", "203.0.113.1", []string{"203.0.113.1", "no interface"}},
		{"eth7", "198.51.100.2", []string{"198.51.100.2", "eth7"}},
		{"", "2001:db8::1", []string{"2001:db8::1", "IPv4"}},
	} {
		err := probe(t, t.Context(), h, tt.name, tt.addr)
		if err == nil || !naming(err, tt.want...) {
			t.Errorf("Probe(%q, %s): %v, want an error that names %q", tt.name, tt.addr, err, tt.want)
		}
	}
}

func TestOnlyAReplyOfTheAddressAnswers(t *testing.T) {
	a, b := netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("198.51.100.3")
	reply := []byte{0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1, 198, 51, 100, 2, 2, 0, 0, 0, 0, 2, 198, 51, 100, 1}
	question := append([]byte(nil), reply...)
	question[7] = 1
	for _, tt := range []struct {
		name string
		b    []byte
		addr netip.Addr
		want bool
	}{
		{"its own", reply, a, true},
		{"with padding", append(append([]byte(nil), reply...), 0, 0, 0), a, true},
		{"somebody else's", reply, b, false},
		{"a question", question, a, false},
		{"cut off", reply[:27], a, false},
		{"empty", nil, a, false},
	} {
		if got := answers(tt.b, tt.addr); got != tt.want {
			t.Errorf("%s: answers = %t, want %t", tt.name, got, tt.want)
		}
	}
}
