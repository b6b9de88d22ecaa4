package lan

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// solo6 is one host on a LAN, which looks for duplicates of what it is given.
func solo6(t *testing.T) (*testenv.Lab, *testenv.Bridge, *testenv.Host) {
	t.Helper()
	lab := testenv.New(t)
	h := lab.Host("a")
	lan := lab.Bridge("lan")
	lan.Attach(h, own, "2001:db8::1/64")
	setSysctl(t, h, "net/ipv6/conf/eth0/accept_dad", "1")
	return lab, lan, h
}

// TestIPv6AddressIsInstalledWithALeaseAndWithoutDoubts: neighbours are answered
// at once, where duplicate address detection would take more than a second.
func TestIPv6AddressIsInstalledWithALeaseAndWithoutDoubts(t *testing.T) {
	lab, lan, h := solo6(t)
	p := watch(t, h, spec(vip6)).port()
	neighbor := lab.Host("b")
	probe := lan.Attach(neighbor, "2001:db8::2/64").ProbeARP(vip6, time.Millisecond)
	lab.Await("a request", limit, func() error {
		if n := len(probe.Result()); n < 10 {
			return errFound(n)
		}
		return nil
	})
	for range 2 { // it is idempotent
		acquire(t, p)
	}
	installed := time.Now()
	lab.Await("an answer", limit, func() error {
		if len(probe.Result().Owners()) == 0 {
			return errFound("none")
		}
		return nil
	})
	unanswered := 0
	for _, q := range probe.Stop() {
		if late := q.At.Sub(installed); len(q.Answered) > 0 {
			t.Logf("the first request that was answered left %v after the address was installed", late)
			break
		} else if late > 0 {
			unanswered++
		}
	}
	if unanswered > 20 { // the detection takes a second, which is 100 of them
		t.Errorf("%d requests were not answered after the address was installed", unanswered)
	}
	want := life{Valid: 60, Preferred: 0}
	if got := lifetime(t, h, vip6); got.Permanent || got.Preferred != 0 || got.Valid < 50 || got.Valid > 60 {
		t.Errorf("lifetime %+v, want about %+v", got, want)
	}
	const flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_DEPRECATED
	must(t, h, func() error {
		all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
		for _, a := range all {
			if a.IPNet.String() == vip6 && a.Flags != flags {
				t.Errorf("flags %#x, want %#x", a.Flags, flags)
			}
		}
		return err
	})
	if diff := cmp.Diff([]string{own, "2001:db8::1/64", vip6 + " ours"}, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestIPv6LeaseEndsByItself(t *testing.T) {
	lab, _, h := solo6(t)
	s := spec(vip6)
	s.Interval = 300 * time.Millisecond // a lease of 1 s
	w := watch(t, h, s)
	p := w.port()
	acquire(t, p)
	acquired := time.Now()
	w.removed()
	t.Logf("a lease of 1 s ended after %v", time.Since(acquired))
	lab.Await("the address to be gone", limit, func() error {
		if diff := cmp.Diff([]string{own, "2001:db8::1/64"}, holds(t, h), sorted); diff != "" {
			return errFound(diff)
		}
		return nil
	})
	acquire(t, p) // as if nothing had been
	if err := p.Release(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{own, "2001:db8::1/64"}, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses after Release (-want +got):\n%s", diff)
	}
}

func TestIPv6AddressIsNeverTheSourceOfConnections(t *testing.T) {
	lab, _, h := solo6(t)
	must(t, h, func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Gw: netip.MustParseAddr("2001:db8::fe").AsSlice()})
	})
	source := func(dst string) (host string) {
		t.Helper()
		must(t, h, func() error {
			c, err := net.Dial("udp6", net.JoinHostPort(dst, "9"))
			if err != nil {
				return err
			}
			defer c.Close()
			host, _, err = net.SplitHostPort(c.LocalAddr().String())
			return err
		})
		return host
	}
	lab.Await("the node's own address to be used", limit, func() error {
		if from := source("2001:db8::101"); from != "2001:db8::1" {
			return errFound(from)
		}
		return nil
	})
	// Each is closer to what is asked for than the node's own address.
	p := watch(t, h, named("eth0", vip6, "2001:db8:1::1/128")).port()
	acquire(t, p)
	for _, dst := range []string{"2001:db8::101", "2001:db8:1::2", "2001:db8:ffff::1"} {
		if from := source(dst); from != "2001:db8::1" {
			t.Errorf("source towards %s is %s, want 2001:db8::1", dst, from)
		}
	}
}

func TestOneElectionHoldsBothFamilies(t *testing.T) {
	for name, tt := range map[string]struct {
		addrs  []string
		source func(netip.Addr) bool
	}{
		"over IPv4": {[]string{vip, vip6}, func(a netip.Addr) bool { return a.String() == "198.51.100.1" }},
		"over IPv6": {[]string{vip6, vip}, netip.Addr.IsLinkLocalUnicast},
	} {
		t.Run(name, func(t *testing.T) {
			_, lan, h := solo6(t)
			capture := lan.Capture()
			p := watch(t, h, spec(tt.addrs...)).port()
			if !tt.source(p.Source()) {
				t.Errorf("source %s", p.Source())
			}
			acquire(t, p)
			if diff := cmp.Diff([]string{own, vip + " ours", "2001:db8::1/64", vip6 + " ours"}, holds(t, h), sorted); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			if err := p.Announce(); err != nil {
				t.Fatal(err)
			}
			for _, a := range tt.addrs {
				capture.Await("an announcement of "+a, limit, testenv.Announces(a))
			}
			if err := p.Release(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{own, "2001:db8::1/64"}, holds(t, h), sorted); diff != "" {
				t.Errorf("addresses after Release (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenSweepsIPv6LeftoversOfAKilledRun(t *testing.T) {
	_, _, h := solo6(t)
	leave(t, h, vip6, "2001:db8::101/64", "2001:db8::102/128")
	watch(t, h, spec(vip6, "2001:db8::101/128")).port()
	if diff := cmp.Diff([]string{own, "2001:db8::1/64", "2001:db8::102/128 ours"}, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses after Open (-want +got):\n%s", diff)
	}
}

func TestDisabledIPv6IsNamedWithItsCure(t *testing.T) {
	for name, addrs := range map[string][]string{"election": {vip6}, "beside IPv4": {vip, vip6}} {
		t.Run(name, func(t *testing.T) {
			_, _, h := solo6(t)
			w := watch(t, h, named("eth0", addrs...))
			w.port()
			const setting = "net/ipv6/conf/eth0/disable_ipv6"
			setSysctl(t, h, setting, "1")
			w.down("eth0", "IPv6 is disabled", fmt.Sprintf("sysctl -w %s=0", setting))
			setSysctl(t, h, setting, "0")
			w.port() // when duplicate address detection has passed the kernel's own
		})
	}
}
