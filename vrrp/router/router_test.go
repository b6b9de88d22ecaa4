package router_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
	"ngha/vrrp/router"
	"ngha/vrrp/vrrptest"
)

// A watchdog hangs on it.
func TestTurnComesWhenTheLoopComesRound(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := newNode(t, lan, addrA, vrrp.Config{Priority: 200}, router.Options{})
		early := a.Turn()
		taken := func(turn <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-turn:
				return true
			default:
				return false
			}
		}
		if taken(early) {
			t.Error("a turn of a loop that does not run")
		}
		a.run(t, a.port)
		if !taken(early) || !taken(a.Turn()) {
			t.Error("the loop runs and takes no turn")
		}
		free := make(chan struct{})
		a.stuck.Store(&free)
		time.Sleep(time.Hour) // it would be active
		late := a.Turn()
		if taken(late) {
			t.Error("a turn of a loop that is stuck")
		}
		close(free)
		if !taken(late) {
			t.Error("no turn of the loop since it is free")
		}
		a.end()
		if !taken(a.Turn()) {
			t.Error("who asks a loop that is over waits for ever")
		}
	})
}

func TestPairElectsTheBetterNodeWhichAnnouncesItself(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		time.Sleep(4 * time.Second)
		wantState(t, a, vrrp.Active)
		wantState(t, b, vrrp.Backup)
		wantHolders(t, lan, addrA)

		var ops []vrrptest.Op
		for _, e := range lan.Trace() {
			if e.Port == addrA {
				ops = append(ops, e.Op)
			}
		}
		want := []vrrptest.Op{vrrptest.OpWrite, vrrptest.OpAcquire, vrrptest.OpAnnounce}
		if len(ops) < len(want) || !cmp.Equal(ops[:len(want)], want) {
			t.Errorf("a did %v, want it to begin with %v", ops, want)
		}
		if diff := cmp.Diff([]string{"initialize backup", "backup active"}, a.transitions); diff != "" {
			t.Errorf("transitions of a (-want +got):\n%s", diff)
		}
		if s := b.Status(); s.Active != (vrrp.Peer{Addr: addrA, Priority: 200}) {
			t.Errorf("b takes %v for the Active, want a at 200", s.Active)
		}
	})
}

func TestEndHandsOverWithoutAGap(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		time.Sleep(4 * time.Second)
		a.end()
		wantState(t, b, vrrp.Active)
		wantHolders(t, lan, addrB)
		held := map[netip.Addr]bool{addrA: true}
		for _, e := range lan.Trace() {
			switch e.Op {
			case vrrptest.OpAcquire:
				held[e.Port] = true
			case vrrptest.OpRelease:
				if held[e.Port] && e.Port == addrA && !held[addrB] && e.At.After(a.Status().Since) {
					t.Errorf("a released at %s, before b held the address", e.At)
				}
				held[e.Port] = false
			}
		}
	})
}

func TestNodeThatCannotSendClaimsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{})
		a.port.FailWrites(-1, errors.New("operation not permitted"))
		time.Sleep(30 * time.Second)
		wantState(t, a, vrrp.Backup)
		for _, e := range lan.Trace() {
			if e.Op == vrrptest.OpAcquire || e.Op == vrrptest.OpAnnounce {
				t.Fatalf("a did %s while it could not send", e.Op)
			}
		}
		if diff := cmp.Diff([]string{"initialize backup"}, a.transitions); diff != "" {
			t.Errorf("transitions told (-want +got):\n%s", diff)
		}
		if a.Status().LAN.SendErrors == 0 {
			t.Error("no send error was counted")
		}

		a.port.FailWrites(0, nil)
		time.Sleep(4 * time.Second)
		wantState(t, a, vrrp.Active)
	})
}

func TestActiveThatCannotSendAnyMoreLetsGo(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{})
		time.Sleep(5 * time.Second)
		wantHolders(t, lan, addrA)
		a.port.FailWrites(-1, errors.New("network is down"))
		time.Sleep(4500 * time.Millisecond)
		wantState(t, a, vrrp.Backup)
		wantHolders(t, lan)
	})
}

func TestAddressThatCannotBeInstalledResignsTheRole(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		a.port.FailAcquires(-1, errors.New("no buffer space available"))
		time.Sleep(5 * time.Second)
		wantState(t, a, vrrp.Backup)
		wantState(t, b, vrrp.Active)
		wantHolders(t, lan, addrB)
		if a.Status().LAN.AddressErrors == 0 {
			t.Error("no address error was counted")
		}
		a.port.FailAcquires(0, nil)
		time.Sleep(10 * time.Second)
		wantState(t, a, vrrp.Active)
		wantHolders(t, lan, addrA)
	})
}

func TestInterfaceThatGoesAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{})
		time.Sleep(5 * time.Second)
		a.Detach(errors.New("eth0 has no carrier"))
		wantState(t, a, vrrp.Initialize)
		wantHolders(t, lan)
		if got := a.Status().Reason; got != "eth0 has no carrier" {
			t.Errorf("reason %q, want that of Detach", got)
		}
		if !a.port.Closed() {
			t.Error("the port given up was not closed")
		}

		a.port = lan.Port(addrC) // another interface, with another address
		a.Attach(a.port)
		time.Sleep(4 * time.Second)
		wantState(t, a, vrrp.Active)
		wantHolders(t, lan, addrC)
	})
}

func TestPortThatWasNeverUsedIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		r, err := router.New(vrrp.Config{VRID: 7, Addrs: []netip.Prefix{virtual}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		first, second, last := lan.Port(addrA), lan.Port(addrB), lan.Port(addrC)
		r.Attach(first)
		r.Attach(second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		r.Attach(last) // after the end
		for _, p := range []*vrrptest.Port{first, second, last} {
			if !p.Closed() {
				t.Errorf("port %s was not closed", p.Source())
			}
		}
	})
}

func TestIllActiveHandsOver(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		time.Sleep(5 * time.Second)
		a.SetStanding(vrrp.LastResort)
		time.Sleep(vrrp.SkewTime(vrrp.V3, 100, time.Second) + time.Millisecond)
		wantState(t, a, vrrp.Backup)
		wantState(t, b, vrrp.Active)
		if got := a.Status().Priority; got != vrrp.PriorityLastResort {
			t.Errorf("priority of the ill node %d, want %d", got, vrrp.PriorityLastResort)
		}
	})
}

func TestContradictionIsRebuttedAndTold(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		lan.Cut(addrA, addrB)
		lan.Cut(addrB, addrA)
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		time.Sleep(5 * time.Second)
		wantHolders(t, lan, addrA, addrB)
		announced := a.Status().LAN.Announcements
		lan.Heal(addrA, addrB)
		lan.Heal(addrB, addrA)
		time.Sleep(time.Second)
		wantState(t, b, vrrp.Backup)
		wantHolders(t, lan, addrA)
		if a.rebuttals == 0 || a.Status().LAN.Announcements == announced {
			t.Errorf("a was told of %d contradictions and announced itself %d times, want both", a.rebuttals, a.Status().LAN.Announcements-announced)
		}
	})
}

func TestStrangersAreDiscardedCountedAndNamed(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Unicast: true})
		a.SetPeers([]netip.Addr{addrB})
		time.Sleep(5 * time.Second)
		wantState(t, a, vrrp.Active)
		adv := vrrp.Advertisement{Version: vrrp.V3, VRID: 7, Priority: 254, Interval: time.Second, Addrs: []netip.Addr{virtual.Addr()}}
		for _, src := range []netip.Addr{addrC, addrB} {
			lan.Inject(vrrp.Packet{Src: src, Dst: addrA, TTL: vrrp.TTL, Payload: adv.AppendTo(nil, src, addrA, vrrp.PseudoHeader)})
			if src == addrC {
				wantState(t, a, vrrp.Active)
			}
		}
		wantState(t, a, vrrp.Backup)
		s := a.Status()
		if s.LAN.Discarded[vrrp.ReasonUnknownPeer] != 1 || len(a.strangers) != 1 || a.strangers[0] != addrC {
			t.Errorf("discarded %v, strangers %v; want one of %s", s.LAN.Discarded, a.strangers, addrC)
		}
	})
}

func TestUnicastNodeWithoutAPeerServesAlone(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Unicast: true})
		time.Sleep(5 * time.Second)
		wantHolders(t, lan, addrA)
		for _, e := range lan.Trace() {
			if e.Op == vrrptest.OpWrite {
				t.Errorf("advertised to %s, want nobody", e.Packet.Dst)
			}
		}
		lan.Port(addrB) // it joins, and is heard of
		a.SetPeers([]netip.Addr{addrB})
		synctest.Wait()
		trace := lan.Trace()
		if last := trace[len(trace)-1]; last.Op != vrrptest.OpWrite || last.Packet.Dst != addrB {
			t.Errorf("after learning of %s it did %v, want an advertisement to it", addrB, last)
		}
	})
}

func TestMalformedPacketsTouchNothing(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{})
		time.Sleep(5 * time.Second)
		before := a.Status()
		for range 1000 {
			lan.Inject(vrrp.Packet{Src: addrB, Dst: vrrp.GroupIPv4, TTL: 64, Payload: []byte{0x31, 7, 255, 1}})
			synctest.Wait()
		}
		after := a.Status()
		if after.LAN.Discarded[vrrp.ReasonTTL] != 1000 {
			t.Errorf("discarded by TTL: %d, want 1000", after.LAN.Discarded[vrrp.ReasonTTL])
		}
		if len(after.Alarms) != 1 || after.Alarms[0].Reason != vrrp.ReasonTTL || after.Alarms[0].Src != addrB {
			t.Errorf("alarms %+v, want one about the TTL of %s", after.Alarms, addrB)
		}
		after.LAN, after.Alarms = before.LAN, before.Alarms
		if diff := cmp.Diff(before, after, cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); diff != "" {
			t.Errorf("state (-before +after):\n%s", diff)
		}
	})
}

func TestRemovedAddressComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{})
		time.Sleep(5*time.Second + 300*time.Millisecond)
		if err := a.port.Release(); err != nil { // somebody else's doing
			t.Fatal(err)
		}
		a.AddressRemoved()
		wantHolders(t, lan, addrA)
	})
}

func TestStatusIsCurrentWithoutAnEvent(t *testing.T) {
	r, err := router.New(vrrp.Config{VRID: 7, Addrs: []netip.Prefix{virtual}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Status(); s.State != vrrp.Initialize || s.VRID != 7 {
		t.Errorf("status of a new router: %+v", s)
	}
}

func TestNewRefusesWhatTheMachineRefuses(t *testing.T) {
	if _, err := router.New(vrrp.Config{}, nil); err == nil {
		t.Error("a virtual router without VRID was accepted")
	}
}
