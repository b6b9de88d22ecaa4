package lan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// holding is a Port of which nothing but its lease is there.
func holding(index int, a string) *Port {
	p := &Port{missing: func() {}, leases: []message{lease(index, netip.MustParsePrefix(a), 60).quiet()}}
	p.installed.Store(true)
	return p
}

// TestOneRenewalRefusedIsNothingToTheOthers has a Port before and one behind it.
func TestOneRenewalRefusedIsNothingToTheOthers(t *testing.T) {
	_, h := solo(t)
	index := h.Links()[0].Index()
	var failed []*Port
	var err, second error
	ports := []*Port{holding(index, vip), holding(12345, "198.51.100.101/32"), holding(index, "198.51.100.102/32"), holding(index, "198.51.100.103/32")}
	ports[3].installed.Store(false) // it was released meanwhile
	must(t, h, func() error {
		r, rerr := openRequests()
		if rerr != nil {
			return rerr
		}
		defer r.close()
		for _, p := range ports {
			r.renewals.add(p)
		}
		failed, err = r.renewNow()
		second = r.do(lease(12345, netip.MustParsePrefix(vip), 60))
		return nil
	})
	if !slices.Equal(failed, ports[1:2]) || !errors.Is(err, unix.ENODEV) {
		t.Errorf("%d renewals failed: %v, want the second one with ENODEV", len(failed), err)
	}
	if !errors.Is(second, unix.ENODEV) {
		t.Errorf("the next request: %v, want ENODEV", second)
	}
	want := []string{own, vip + " ours", "198.51.100.102/32 ours"}
	if diff := cmp.Diff(want, holds(t, h), sorted); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// TestMoreRenewalsThanOneMessageHolds: 255 virtual routers can have 255 addresses
// each.
func TestMoreRenewalsThanOneMessageHolds(t *testing.T) {
	_, h := solo(t)
	for name, row := range map[string]struct {
		many, index, failed int
		want                error
	}{
		"renewed": {4000, h.Links()[0].Index(), 0, nil},
		"refused": {2000, 12345, 2000, unix.ENODEV}, // each of them is answered
	} {
		t.Run(name, func(t *testing.T) {
			var failed []*Port
			var err, next error
			must(t, h, func() error {
				r, rerr := openRequests()
				if rerr != nil {
					return rerr
				}
				defer r.close()
				var ports []*Port
				for i := range row.many {
					ports = append(ports, holding(row.index, fmt.Sprintf("198.18.%d.%d/32", i/250, i%250+1)))
				}
				for _, p := range ports { // all at once, or the first ones are too late
					r.renewals.add(p)
				}
				failed, err = r.renewNow()
				next = r.do(lease(h.Links()[0].Index(), netip.MustParsePrefix(vip), 60))
				return nil
			})
			if len(failed) != row.failed || !errors.Is(err, row.want) {
				t.Errorf("%d renewals failed: %v, want %d with %v", len(failed), err, row.failed, row.want)
			}
			if next != nil {
				t.Errorf("the next request: %v", next)
			}
		})
	}
}

// TestRenewalThatComesLateIsNotMade: the process was stopped meanwhile, and
// another node has the address.
func TestRenewalThatComesLateIsNotMade(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	p := w.port()
	acquire(t, p)
	h.Links()[0].Steal(vip)
	w.removed()
	p.installed.Store(true) // as if nobody had seen that
	p.requests.renewals.list = []renewal{{p, time.Now().Add(-stale)}}
	p.requests.wake <- struct{}{}
	w.removed()
	if diff := cmp.Diff([]string{own}, holds(t, h)); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	acquire(t, p)
	if diff := cmp.Diff([]string{own, vip + " ours"}, holds(t, h)); diff != "" {
		t.Errorf("addresses acquired again (-want +got):\n%s", diff)
	}
}

// TestReleasedAddressIsNotRenewed: whatever is under way.
func TestReleasedAddressIsNotRenewed(t *testing.T) {
	_, h := solo(t)
	p := watch(t, h, spec(vip)).port()
	for i := range 100 {
		acquire(t, p)
		acquire(t, p) // its renewal waits, or begins
		if i%2 == 0 {
			p.requests.renewNow() // or it is too late for that
		}
		if err := p.Release(); err != nil {
			t.Fatal(err)
		}
		if failed, err := p.requests.renewNow(); len(failed) > 0 || err != nil {
			t.Fatalf("renewals failed: %v", err)
		}
		if diff := cmp.Diff([]string{own}, holds(t, h)); diff != "" {
			t.Fatalf("addresses released (-want +got):\n%s", diff)
		}
	}
}

// TestManyLeasesAreRenewed: those of all virtual routers.
func TestManyLeasesAreRenewed(t *testing.T) {
	const many = 100
	lab, h := solo(t)
	w := watch(t, h, spec(vip))
	ports := []*Port{w.port()}
	for i := 1; i < many; i++ {
		s := spec(fmt.Sprintf("198.18.0.%d/32", i))
		s.Interface, s.VRID = "eth0", uint8(7+i)
		ports = append(ports, newWatched(t, w.network, s, func(event) {}).port())
	}
	for _, p := range ports {
		acquire(t, p)
	}
	endless := func() (n int) {
		must(t, h, func() error {
			all, err := netlink.AddrList(nil, netlink.FAMILY_V4)
			for _, a := range all {
				if a.Mask.String() == "ffffffff" && a.Flags&unix.IFA_F_PERMANENT != 0 {
					n++
				}
			}
			return err
		})
		return n
	}
	for _, p := range ports { // so that a renewal can be seen
		must(t, h, func() error { return onLink("eth0", p.addrs[0].String(), netlink.AddrReplace) })
	}
	if got := endless(); got != many {
		t.Fatalf("%d addresses are there for ever, want %d", got, many)
	}
	lab.Await("all to have a lease again", limit, func() error {
		for _, p := range ports {
			acquire(t, p) // each time, since a renewal that comes late is not made
		}
		if n := endless(); n > 0 {
			return errFound(n)
		}
		return nil
	})
}
