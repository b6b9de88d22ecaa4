package lan

import (
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
)

// crowded are the faces of as many virtual routers.
func (l *lodging) crowded(p *parent, count int) (all []*face) {
	l.Helper()
	for vrid := 1; vrid <= count; vrid++ {
		all = append(all, l.open(p, false, uint8(vrid)))
	}
	return all
}

// together closes faces as their virtual routers do, at the same time.
func (l *lodging) together(all []*face) {
	l.Helper()
	var closing sync.WaitGroup
	for _, f := range all {
		closing.Go(func() { l.close(f) })
	}
	closing.Wait()
}

func TestFacesAreDeletedTogetherAndNothingElse(t *testing.T) {
	l := newLodging(t)
	p := l.parent()
	all := l.crowded(p, 40)
	for _, f := range all[:20] {
		if err := f.show(); err != nil {
			t.Fatal(err)
		}
	}
	l.together(all[2:])
	l.want("with two left", len(l.macvlans()), 2)

	// Somebody has an interface in the group, of all that there are.
	var stranger netlink.Link
	must(t, l.host, func() (err error) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex, attrs.Group = "stranger", p.index, sweepGroup
		if err = netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}); err == nil {
			stranger, err = netlink.LinkByName("stranger")
		}
		return err
	})
	l.together(all[:2])
	l.want("what is left", l.macvlans(), []string{stranger.Attrs().HardwareAddr.String()})
	l.close(p)
}

// The kernel may take its time to set faces down: nobody waits for it, neither the
// virtual routers that hide theirs nor those that show them.
func TestNobodyWaitsForFacesThatGoDown(t *testing.T) {
	l := newLodging(t)
	p := l.parent()
	a, b, c := l.open(p, false, 7), l.open(p, false, 8), l.open(p, false, 9)
	up := func(f *face) {
		t.Helper()
		if err := f.show(); err != nil {
			t.Fatal(err)
		}
	}
	up(a)
	up(b)
	p.sweeper.requests.mu.Lock() // the kernel does not answer
	a.hide()
	b.hide()
	b.hide()
	up(c)
	p.sweeper.requests.mu.Unlock()
	const eight, nine = "00:00:5e:00:01:08", "00:00:5e:00:01:09"
	l.awaits("a and b to be down", virtual7, eight, nine+" up")
	b.hide()
	up(b) // the last word holds
	a.hide()
	l.close(a)
	l.awaits("b to be up", eight+" up", nine+" up")
	l.close(b, c, p)
}
