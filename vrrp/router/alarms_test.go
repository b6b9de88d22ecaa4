package router_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ngha/vrrp"
	"ngha/vrrp/router"
	"ngha/vrrp/vrrptest"
)

// fits is an advertisement that a node of start could have sent.
func fits(priority uint8) vrrp.Advertisement {
	return vrrp.Advertisement{Version: vrrp.V3, VRID: 7, Priority: priority, Interval: time.Second, Addrs: []netip.Addr{virtual.Addr()}}
}

// inject puts adv on the LAN as if it came from src.
func inject(lan *vrrptest.LAN, src netip.Addr, adv vrrp.Advertisement) {
	lan.Inject(packet(src, adv))
	synctest.Wait()
}

// packet is what adv is in when src sends it.
func packet(src netip.Addr, adv vrrp.Advertisement) vrrp.Packet {
	return vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: vrrp.TTL, Payload: adv.AppendTo(nil, src, vrrp.GroupIPv4, vrrp.PseudoHeader)}
}

// current returns the alarms of n that are not over.
func current(n *node) []router.Alarm {
	var list []router.Alarm
	for _, a := range n.Status().Alarms {
		if !time.Now().After(a.Until) {
			list = append(list, a)
		}
	}
	return list
}

func wantAlarm(t *testing.T, n *node, src netip.Addr, reason vrrp.Reason) router.Alarm {
	t.Helper()
	for _, a := range current(n) {
		if a.Src == src && a.Reason == reason && a.What != "" && a.Cure != "" {
			return a
		}
	}
	t.Fatalf("alarms %+v, want one about %s of %s", current(n), reason, src)
	return router.Alarm{}
}

func TestAlarmLastsAndEnds(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 200})
		time.Sleep(5 * time.Second)
		if got := current(a); len(got) > 0 {
			t.Fatalf("alarms of a node alone: %+v", got)
		}
		other := fits(100)
		other.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.101"), virtual.Addr()}
		begun := time.Now()
		for range 10 {
			inject(lan, addrB, other)
			time.Sleep(time.Second)
		}
		alarm := wantAlarm(t, a, addrB, vrrp.ReasonAddresses)
		if !alarm.Since.Equal(begun) || alarm.Count < 9 {
			t.Errorf("an alarm since %s about %d advertisements, want one since %s about 9 or 10", alarm.Since, alarm.Count, begun)
		}
		wantState(t, a, vrrp.Active)

		time.Sleep(10 * time.Second)
		if got := current(a); len(got) > 0 {
			t.Errorf("alarms ten seconds later: %+v", got)
		}
		inject(lan, addrB, other)
		if again := wantAlarm(t, a, addrB, vrrp.ReasonAddresses); !again.Since.Equal(time.Now()) || again.Count != 1 {
			t.Errorf("back again it counts %d since %s, want 1 since now", again.Count, again.Since)
		}
	})
}

// An alarm about a sender that seldom speaks lasts until it has failed to.
func TestAlarmOutlastsTheSendersInterval(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		a := start(t, lan, addrA, vrrp.Config{Priority: 100})
		slow := fits(200)
		slow.Interval = 40 * time.Second
		inject(lan, addrB, slow)
		time.Sleep(40 * time.Second)
		wantAlarm(t, a, addrB, vrrp.ReasonLongInterval)
	})
}

// counter is a slog.Handler that counts warnings.
type counter struct{ warnings *atomic.Int64 }

func (c counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c counter) WithGroup(string) slog.Handler            { return c }
func (c counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.warnings.Add(1)
	}
	return nil
}

// A line when it begins, and not more than one a minute from then on, whether it
// goes on or comes and goes.
func TestAlarmIsLoggedOnceAMinute(t *testing.T) {
	for name, pause := range map[string]time.Duration{"goes on": time.Second, "comes and goes": 12 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
				var lines atomic.Int64
				logged(t, lan, counter{&lines})
				bad := fits(100)
				bad.Version = vrrp.V2
				for begun := time.Now(); time.Since(begun) < 5*time.Minute; time.Sleep(pause) {
					inject(lan, addrB, bad)
				}
				if n := lines.Load(); n != 5 {
					t.Errorf("%d lines in five minutes, want 5", n)
				}
			})
		})
	}
}

// logged starts a node whose log goes to h.
func logged(t *testing.T, lan *vrrptest.LAN, h slog.Handler) *node {
	t.Helper()
	return startWith(t, lan, addrA, vrrp.Config{Priority: 200}, router.Options{Logger: slog.New(h)})
}

// A flood from forged addresses costs neither memory nor log, and hides nobody
// who was there before.
func TestFloodOfSendersIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		var lines atomic.Int64
		a := logged(t, lan, counter{&lines})
		time.Sleep(5 * time.Second)
		version, foreign := fits(100), fits(100)
		version.Version = vrrp.V2
		foreign.Addrs = []netip.Addr{addrC}
		for i := range 5000 {
			src := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
			inject(lan, src, version)
			inject(lan, src, foreign)
			if i%100 == 0 {
				inject(lan, addrB, version)
			}
			time.Sleep(10 * time.Millisecond)
		}
		wantState(t, a, vrrp.Active)
		alarm := wantAlarm(t, a, netip.Addr{}, vrrp.ReasonVersion)
		if alarm.Count < 4000 {
			t.Errorf("the others' alarm counts %d, want the most of 5000", alarm.Count)
		}
		wantAlarm(t, a, addrB, vrrp.ReasonVersion)
		if n := len(a.Status().Alarms); n > 10 {
			t.Errorf("%d alarms about two reasons", n)
		}
		if n := lines.Load(); n > 20 {
			t.Errorf("%d lines in 50s", n)
		}

		// When it is over it is forgotten, and who comes then has a name again.
		time.Sleep(2 * time.Minute)
		inject(lan, addrC, version)
		wantAlarm(t, a, addrC, vrrp.ReasonVersion)
	})
}

// keysOf returns keys whose secrets their ids tell.
func keysOf(ids ...uint8) []vrrp.Key {
	var list []vrrp.Key
	for _, id := range ids {
		list = append(list, vrrp.Key{ID: id, Secret: bytes.Repeat([]byte{id}, 32)})
	}
	return list
}

func signing(mode vrrp.AuthMode) vrrp.Config {
	// A checksum without the addresses does not betray who forges them.
	return vrrp.Config{Checksum: vrrp.MessageOnly, Auth: &vrrp.Auth{Mode: mode, Window: 5 * time.Second}}
}

func TestSignedPairChangesItsKey(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		c := signing(vrrp.AuthEnforce)
		c.Priority = 200
		a := startWith(t, lan, addrA, c, router.Options{Keys: keysOf(1)})
		c.Priority = 100
		b := startWith(t, lan, addrB, c, router.Options{Keys: keysOf(1)})
		time.Sleep(5 * time.Second)
		for _, keys := range [][]vrrp.Key{keysOf(1, 2), keysOf(2, 1), keysOf(2)} {
			for _, n := range []*node{b, a} {
				if err := n.SetKeys(keys); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
			}
		}
		wantState(t, a, vrrp.Active)
		wantState(t, b, vrrp.Backup)
		for _, n := range []*node{a, b} {
			if s := n.Status(); s.Counters.Contradictions > 0 || len(n.transitions) > 2 || s.LAN.Discarded != [vrrp.NumReasons]uint64{} {
				t.Errorf("transitions %v, %d contradictions, discarded %v: want none but those of the start", n.transitions, s.Counters.Contradictions, s.LAN.Discarded)
			}
		}
		if err := a.SetKeys(nil); err == nil {
			t.Error("no keys were accepted")
		}
		// A key that only one of them has parts them: each is deaf to the other.
		if err := a.SetKeys(keysOf(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		wantState(t, b, vrrp.Active)
		wantAlarm(t, b, addrA, vrrp.ReasonKey)
	})
}

// What was sent once does not count again, be it to depose the Active or to
// have the Backup take over.
func TestReplayedAdvertisementsTouchNothing(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		c := signing(vrrp.AuthEnforce)
		a := startWith(t, lan, addrA, c, router.Options{Keys: keysOf(1)})
		b := startWith(t, lan, addrB, c, router.Options{Keys: keysOf(1)})
		time.Sleep(5 * time.Second)
		a.SetStanding(vrrp.LastResort) // says Priority 0, if it was the Active
		b.SetStanding(vrrp.LastResort)
		time.Sleep(3 * time.Second)
		a.SetStanding(vrrp.Healthy)
		b.SetStanding(vrrp.Healthy)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := len(a.transitions) + len(b.transitions)
		for _, e := range lan.Trace() {
			if e.Op == vrrptest.OpWrite {
				for _, src := range []netip.Addr{e.Port, addrA, addrB, addrC} {
					p := e.Packet
					p.Src = src
					lan.Inject(p)
					synctest.Wait()
				}
			}
		}
		inject(lan, addrC, fits(255))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if after := len(a.transitions) + len(b.transitions); after != before {
			t.Errorf("transitions of a: %v, of b: %v; want none from the replay on", a.transitions, b.transitions)
		}
		s := a.Status().LAN.Discarded
		for _, reason := range []vrrp.Reason{vrrp.ReasonStale, vrrp.ReasonReplay, vrrp.ReasonUnsigned, vrrp.ReasonSignature} {
			if s[reason] == 0 {
				t.Errorf("nothing was discarded for %s: %v", reason, s)
			}
		}
	})
}

func TestRoutedPeersNeedToBeAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
			a := start(t, lan, addrA, vrrp.Config{Unicast: true, Routed: allowed})
			a.SetPeers([]netip.Addr{addrB})
			adv := fits(200)
			for range 6 {
				lan.Inject(vrrp.Packet{Src: addrB, Dst: addrA, TTL: 63, Payload: adv.AppendTo(nil, addrB, addrA, vrrp.PseudoHeader)})
				time.Sleep(time.Second)
			}
			if allowed {
				wantState(t, a, vrrp.Backup)
			} else {
				wantState(t, a, vrrp.Active)
				wantAlarm(t, a, addrB, vrrp.ReasonTTL)
			}
		})
	}
}
