package lan

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const own = "198.51.100.1/24"

// solo is one host on a LAN.
func solo(t *testing.T) (*testenv.Lab, *testenv.Host) {
	t.Helper()
	lab := testenv.New(t)
	h := lab.Host("a")
	lab.Bridge("lan").Attach(h, own)
	return lab, h
}

// life is what the kernel says of one address's lifetime.
type life struct {
	Valid, Preferred int // seconds; remaining
	Permanent        bool
}

func lifetime(t *testing.T, h *testenv.Host, a string) life {
	t.Helper()
	var l life
	must(t, h, func() error {
		all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		for _, x := range all {
			if x.IPNet.String() == a {
				l = life{x.ValidLft, x.PreferedLft, x.Flags&unix.IFA_F_PERMANENT != 0}
			}
		}
		return err
	})
	return l
}

func TestAcquireInstallsTaggedAddressesWithALease(t *testing.T) {
	_, h := solo(t)
	p := watch(t, h, spec(vip, "198.51.100.101/32")).port()
	for range 2 { // it is idempotent
		acquire(t, p)
		want := []string{own, "198.51.100.100/32 ours", "198.51.100.101/32 ours"}
		if diff := cmp.Diff(want, holds(t, h)); diff != "" {
			t.Fatalf("addresses (-want +got):\n%s", diff)
		}
	}
	if l := lifetime(t, h, vip); l.Permanent || l.Valid < 1 || l.Valid > 60 || l.Preferred > l.Valid {
		t.Errorf("lifetime %+v, want at most a lease of 60 s", l)
	}
}

func TestAcquireRenewsTheLease(t *testing.T) {
	lab, h := solo(t)
	p := watch(t, h, spec(vip)).port()
	acquire(t, p)
	lab.Await("the lease to grow shorter", limit, func() error {
		if l := lifetime(t, h, vip); l.Valid > 58 {
			return errFound(l)
		}
		return nil
	})
	lab.Await("the lease to be renewed", limit, func() error {
		acquire(t, p) // each time, since a renewal that comes late is not made
		if l := lifetime(t, h, vip); l.Valid < 59 {
			return errFound(l)
		}
		return nil
	})
}

func TestLeaseEndsByItself(t *testing.T) {
	lab, h := solo(t)
	s := spec(vip)
	s.Interval = 300 * time.Millisecond // a lease of 1 s
	w := watch(t, h, s)
	p := w.port()
	acquire(t, p)
	w.removed()
	lab.Await("the address to be gone", limit, func() error {
		if diff := cmp.Diff([]string{own}, holds(t, h)); diff != "" {
			return errFound(diff)
		}
		return nil
	})
	acquire(t, p) // as if nothing had been
	if diff := cmp.Diff([]string{own, vip + " ours"}, holds(t, h)); diff != "" {
		t.Errorf("addresses acquired again (-want +got):\n%s", diff)
	}
}

func TestReleaseIsIdempotent(t *testing.T) {
	_, h := solo(t)
	p := watch(t, h, spec(vip)).port()
	acquire(t, p)
	for range 2 {
		if err := p.Release(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{own}, holds(t, h)); diff != "" {
			t.Fatalf("addresses (-want +got):\n%s", diff)
		}
	}
	h.Links()[0].Delete()
	if err := p.Release(); err != nil {
		t.Errorf("Release without the interface: %v", err)
	}
	if err := p.Acquire(); err == nil {
		t.Error("Acquire without the interface: no error")
	}
}

func TestOwnAddressStaysTheSourceOfConnections(t *testing.T) {
	_, h := solo(t)
	must(t, h, func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr("198.51.100.254").AsSlice()})
	})
	p := watch(t, h, named("eth0", "198.51.100.100/24", "203.0.113.100/32")).port()
	acquire(t, p)
	for _, dst := range []string{"198.51.100.2", "203.0.113.1", "198.18.0.1"} {
		must(t, h, func() error {
			routes, err := netlink.RouteGet(netip.MustParseAddr(dst).AsSlice())
			if err == nil && routes[0].Src.String() != "198.51.100.1" {
				t.Errorf("source towards %s is %s, want 198.51.100.1", dst, routes[0].Src)
			}
			return err
		})
	}
}

func TestAddressesNeverTakeOwnOnesAlong(t *testing.T) {
	_, h := solo(t)
	// The second has a network of its own, the third is in that one, too.
	p := watch(t, h, named("eth0", "198.51.100.100/24", "203.0.113.100/24", "203.0.113.101/24")).port()
	acquire(t, p)
	want := []string{own, "198.51.100.100/32 ours", "203.0.113.100/24 ours", "203.0.113.101/24 ours"}
	if diff := cmp.Diff(want, holds(t, h), sorted); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	if err := p.Release(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{own}, holds(t, h)); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
}

// leave has addresses on h's interface as a killed run leaves them.
func leave(t *testing.T, h *testenv.Host, addrs ...string) {
	t.Helper()
	index := h.Links()[0].Index()
	must(t, h, func() error {
		r, err := openRequests()
		if err != nil {
			return err
		}
		defer r.close()
		for _, a := range addrs {
			if err := install(r, index, netip.MustParsePrefix(a), 1000); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestOpenSweepsWhatAKilledRunLeft: what is both tagged and configured, and
// nothing else.
func TestOpenSweepsWhatAKilledRunLeft(t *testing.T) {
	_, h := solo(t)
	leave(t, h, vip, "198.51.100.101/26", "198.51.100.102/32")
	addAddress(t, h, "eth0", "198.51.100.103/32")

	p := watch(t, h, spec(vip, "198.51.100.101/32")).port()
	want := []string{own, "198.51.100.102/32 ours", "198.51.100.103/32"}
	if diff := cmp.Diff(want, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses after Open (-want +got):\n%s", diff)
	}
	if got := p.Source().String(); got != "198.51.100.1" {
		t.Errorf("source %s, want 198.51.100.1", got)
	}
}

func TestRemovalBySomebodyElseIsTold(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip, "198.51.100.101/32"))
	p := w.port()
	acquire(t, p)
	h.Links()[0].Steal(vip)
	w.removed()
	acquire(t, p)
	if diff := cmp.Diff([]string{own, vip + " ours", "198.51.100.101/32 ours"}, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// TestOwnReleaseIsNotTold: not even when the addresses are held again by the
// time that the watcher hears of it.
func TestOwnReleaseIsNotTold(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	p := w.port()
	for range 50 {
		acquire(t, p)
		if err := p.Release(); err != nil {
			t.Fatal(err)
		}
	}
	addAddress(t, h, "eth0", "198.51.100.100/32") // not held: nothing to tell, but that it is taken
	w.first("198.51.100.100", "eth0 itself")
}

// TestRemovalOfWhatIsNotHeldIsNotTold: another process had the address.
func TestRemovalOfWhatIsNotHeldIsNotTold(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	p := w.port()
	must(t, h, func() error {
		r, err := openRequests()
		if err != nil {
			return err
		}
		defer r.close()
		if err := install(r, p.index, p.addrs[0], 1000); err != nil {
			return err
		}
		return r.remove(p.index, p.addrs[0])
	})
	h.Links()[0].PortDown()
	w.first("no carrier")
}

// TestOwnAddressThatJoinsAVirtualNetworkStays: the kernel makes it a secondary of
// the virtual one, which has to leave that network.
func TestOwnAddressThatJoinsAVirtualNetworkStays(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", "203.0.113.100/24"))
	p := w.port()
	acquire(t, p)
	addAddress(t, h, "eth0", "203.0.113.1/24")
	w.down("networks")
	if err := p.Release(); err != nil {
		t.Fatal(err)
	}
	acquire(t, w.port())
	want := []string{own, "203.0.113.1/24", "203.0.113.100/32 ours"}
	if diff := cmp.Diff(want, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestLeaseIsRestoredWhereSomebodyMadeItEndless(t *testing.T) {
	lab, h := solo(t)
	w := watch(t, h, spec(vip))
	p := w.port()
	acquire(t, p)
	must(t, h, func() error { return onLink("eth0", vip, netlink.AddrReplace) })
	if l := lifetime(t, h, vip); !l.Permanent {
		t.Fatalf("lifetime %+v, want the address to be permanent now", l)
	}
	if diff := cmp.Diff([]string{own, vip}, holds(t, h)); diff != "" {
		t.Fatalf("addresses (-want +got):\n%s", diff)
	}
	lab.Await("a lease of 60 s", limit, func() error {
		acquire(t, p) // as above
		if l := lifetime(t, h, vip); l.Permanent || l.Valid > 60 {
			return errFound(l)
		}
		return nil
	})
	if diff := cmp.Diff([]string{own, vip + " ours"}, holds(t, h)); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	h.Links()[0].PortDown()
	w.first("no carrier") // and nothing before
}
