package router_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ngha/vrrp"
	"ngha/vrrp/router"
	"ngha/vrrp/vrrptest"
)

// gateway is a host between two networks.
type gateway struct{ inside, outside *node }

// startGateway starts a group of two Routers, inside the leader.
func startGateway(t *testing.T, in, out *vrrptest.LAN, addr netip.Addr, priority uint8) gateway {
	t.Helper()
	c := vrrp.Config{Priority: priority, Grouped: vrrp.Group{Name: "edge", Member: "inside"}}
	g := gateway{inside: newNode(t, in, addr, c, router.Options{})}
	c.Grouped.Member, c.Grouped.Follows = "outside", true
	g.outside = newNode(t, out, addr, c, router.Options{})
	router.Bind(g.inside.Router, g.outside.Router)
	g.inside.run(t, g.inside.port)
	g.outside.run(t, g.outside.port)
	return g
}

// where wants the gateway's Routers to be in these states, and the others'.
func where(t *testing.T, g gateway, inside, outside vrrp.State) {
	t.Helper()
	wantState(t, g.inside, inside)
	wantState(t, g.outside, outside)
}

func TestGroupMovesTogether(t *testing.T) {
	bubble(t, func(t *testing.T, in *vrrptest.LAN) {
		out := vrrptest.NewLAN()
		a, b := startGateway(t, in, out, addrA, 200), startGateway(t, in, out, addrB, 100)
		time.Sleep(5 * time.Second)
		where(t, a, vrrp.Active, vrrp.Active)
		where(t, b, vrrp.Backup, vrrp.Backup)

		// Either side fails: the other one goes along, and both come back.
		for _, side := range []func(gateway) *node{
			func(g gateway) *node { return g.outside },
			func(g gateway) *node { return g.inside },
		} {
			lan := in
			if side(a) == a.outside {
				lan = out
			}
			side(a).Detach(errors.New("no carrier"))
			time.Sleep(time.Second)
			where(t, b, vrrp.Active, vrrp.Active)
			wantState(t, side(a), vrrp.Initialize)
			for _, l := range []*vrrptest.LAN{in, out} {
				wantHolders(t, l, addrB)
			}
			side(a).port = lan.Port(addrA)
			side(a).Attach(side(a).port)
			time.Sleep(5 * time.Second)
			where(t, a, vrrp.Active, vrrp.Active)
			where(t, b, vrrp.Backup, vrrp.Backup)
		}

		// An orderly end leaves no gap on either side.
		a.inside.cancel()
		a.outside.cancel()
		time.Sleep(2 * time.Second)
		where(t, b, vrrp.Active, vrrp.Active)
		for _, n := range []*node{a.inside, a.outside} {
			if s := n.Status(); s.Reason != "shut down: "+addrB.String()+" took over" {
				t.Errorf("a ended: %s", s.Reason)
			}
		}
	})
}

func TestGroupThatIsHeldBackSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T, in *vrrptest.LAN) {
		a := startGateway(t, in, vrrptest.NewLAN(), addrA, 200)
		a.outside.Detach(errors.New("eth1 has no carrier"))
		time.Sleep(10 * time.Second)
		where(t, a, vrrp.Backup, vrrp.Initialize)
		if got, want := a.inside.Status().Held, "group edge: outside: eth1 has no carrier"; got != want {
			t.Errorf("held %q, want %q", got, want)
		}
	})
}

// The loops exchange what they know and nothing they could wait for: a group
// all of whose members change all the time does not lock up.
func TestGroupUnderChurn(t *testing.T) {
	bubble(t, func(t *testing.T, in *vrrptest.LAN) {
		out := vrrptest.NewLAN()
		a, b := startGateway(t, in, out, addrA, 200), startGateway(t, in, out, addrB, 200)
		for range 300 {
			for _, g := range []gateway{a, b} {
				for _, s := range []vrrp.Standing{vrrp.LastResort, vrrp.Healthy} {
					g.inside.SetStanding(s)
					g.outside.SetStanding(s)
					time.Sleep(90 * time.Millisecond)
				}
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, l := range []*vrrptest.LAN{in, out} {
			if n := len(l.Holders()); n != 1 {
				t.Errorf("%d holders on a network", n)
			}
		}
		if a.inside.Status().State != a.outside.Status().State {
			t.Error("the group is torn")
		}
	})
}
