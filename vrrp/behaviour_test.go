package vrrp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

// A rejected packet must never touch a timer: keepalived's Active falls
// silent under a stream of them.
func TestDiscardedAdvertisementsTouchNoTimer(t *testing.T) {
	b := newBench(t).active()
	sent := 0
	for range 100 {
		for _, action := range b.run(100 * ms) {
			if _, ok := action.(vrrp.Send); ok {
				sent++
			}
		}
		before := b.m.Deadline()
		b.want(b.step(0, heard(self, 255)), vrrp.Discard{Src: self, Reason: vrrp.ReasonOwnAddress})
		if after := b.m.Deadline(); after != before {
			t.Fatalf("a discarded packet moved the deadline from %s to %s", before, after)
		}
	}
	if sent != 10 {
		t.Errorf("%d advertisements in 10s, want 10", sent)
	}
	if got := b.m.Status().Counters; got.Discarded[vrrp.ReasonOwnAddress] != 100 || got.Received != 0 {
		t.Errorf("counted %d discarded and %d received, want 100 and 0", got.Discarded[vrrp.ReasonOwnAddress], got.Received)
	}
}

func unicast(c *vrrp.Config) { c.Unicast = true }

func TestUnicastHearsItsPeersAlone(t *testing.T) {
	b := newBench(t, unicast).backup()
	b.want(b.step(time.Second, heard(lower, 250)), vrrp.Discard{Src: lower, Reason: vrrp.ReasonUnknownPeer})
	b.step(0, vrrp.PeersChanged{Peers: []netip.Addr{lower, netip.MustParseAddr("::ffff:198.51.100.77")}})
	b.want(b.step(0, heard(higher, 250)), vrrp.Discard{Src: higher, Reason: vrrp.ReasonUnknownPeer})
	b.wantDeadline(down - time.Second)
	b.want(b.step(0, heard(lower, 250)))
	b.wantDeadline(down)
	b.want(b.step(0, heard(netip.MustParseAddr("198.51.100.77"), 250)))
}

// Where an interface has no address yet nobody can tell that a peer is this node.
func TestUnicastDoesNotSpeakToItself(t *testing.T) {
	b := newBench(t, unicast)
	b.step(0, vrrp.PeersChanged{Peers: []netip.Addr{lower, self}})
	b.active()
	b.want(b.step(0, vrrp.PeersChanged{Peers: []netip.Addr{self, lower, higher}}), send(200, lower, higher))
	b.step(0, vrrp.Fault{Reason: "no address"})
	b.step(0, vrrp.Startup{Source: lower})
	b.want(b.run(down), send(200, self, higher), vrrp.Acquire{}, vrrp.Announce{},
		moved(vrrp.Backup, vrrp.Active, "no advertisement for 3.2s"))
}

func TestMulticastHearsEveryone(t *testing.T) {
	b := newBench(t).backup()
	b.step(0, vrrp.PeersChanged{Peers: []netip.Addr{lower}})
	b.want(b.step(time.Second, heard(higher, 250)))
	b.wantDeadline(down)
}

// A node that is short of processor time is late again and again.
func TestBackupThatIsAlwaysLateTakesOver(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Interval = 10 * ms }).backup()
	late := func() []vrrp.Action { return b.step(b.deadline()+11*ms, vrrp.Timer{}) }
	b.want(late()) // an Active may have spoken, unread
	adv := advert(250)
	adv.Interval = 10 * ms
	b.step(ms, vrrp.Received{Src: lower, Adv: adv})
	b.want(late()) // as it may have after that
	late()
	b.wantState(vrrp.Active)
}

// An Active that has asked to be relieved does not wait for a whole
// Active_Down_Interval because its successor was short of processor time.
func TestBackupThatIsLateAfterAFarewellTakesOver(t *testing.T) {
	for name, test := range map[string]struct {
		said   uint8
		late   time.Duration
		takes  bool
		reason string
	}{
		"released":    {0, 2 * time.Second, true, "peer 198.51.100.1 released (priority 0)"},
		"last resort": {1, 2 * time.Second, true, "peer 198.51.100.1 is at last resort (priority 1)"},
		// Another one must have taken over by then.
		"far too late": {0, down + 1, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).backup()
			b.step(time.Second, heard(lower, test.said))
			got := b.step(skew+test.late, vrrp.Timer{})
			if !test.takes {
				b.want(got)
				b.wantDeadline(down)
				return
			}
			b.wantState(vrrp.Active)
			if reason := b.m.Status().Reason; reason != test.reason {
				t.Errorf("reason %q, want %q", reason, test.reason)
			}
		})
	}
}

func TestPendingListensAndItsTimeCounts(t *testing.T) {
	b := newBench(t)
	b.step(0, standing(vrrp.Pending))
	b.backup()
	b.wantDeadline(none)
	b.want(b.step(2*time.Second, vrrp.Timer{}))
	b.want(b.step(0, standing(vrrp.Healthy)))
	b.wantDeadline(down - 2*time.Second)
}

func TestPendingThatHasListenedLongEnoughTakesOverAtOnce(t *testing.T) {
	for s, sends := range map[vrrp.Standing]uint8{vrrp.Healthy: 200, vrrp.LastResort: 1} {
		b := newBench(t)
		b.step(0, standing(vrrp.Pending))
		b.backup()
		b.want(b.step(10*time.Second, standing(s)), send(sends), vrrp.Acquire{}, vrrp.Announce{},
			moved(vrrp.Backup, vrrp.Active, "no advertisement for 10s"))
	}
}

func TestPendingThatHearsAnActiveGoesOnListening(t *testing.T) {
	b := newBench(t)
	b.step(0, standing(vrrp.Pending))
	b.backup()
	b.step(9*time.Second, heard(lower, 250))
	b.want(b.step(time.Second, standing(vrrp.Healthy)))
	b.wantDeadline(down - time.Second)
}

// While its health is not known a node at full priority does not follow a lower
// Active. At last resort it does, and what it has heard so far counts.
func TestIllNodeDoesNotTakeOverFromALowerActiveThatLives(t *testing.T) {
	for name, before := range map[string]vrrp.Standing{"at the start": vrrp.Pending, "healthy until now": vrrp.Healthy} {
		for _, theirs := range []uint8{100, vrrp.PriorityLastResort} {
			t.Run(fmt.Sprintf("%s, from priority %d", name, theirs), func(t *testing.T) {
				b := newBench(t)
				b.step(0, standing(before))
				b.backup()
				if before == vrrp.Pending {
					for range 9 {
						b.want(b.step(time.Second, heard(higher, theirs)))
					}
				}
				b.want(b.step(600*ms, heard(higher, theirs)))
				b.want(b.step(100*ms, standing(vrrp.LastResort)))
				b.wantDeadline(down1 - 100*ms)
			})
		}
	}
}

func TestStandingChangesRecomputeTheDeadlineFromTheSameInstant(t *testing.T) {
	b := newBench(t).backup()
	b.step(time.Second, standing(vrrp.LastResort))
	b.wantDeadline(down1 - time.Second)
	b.step(time.Second, standing(vrrp.Healthy))
	b.wantDeadline(down - 2*time.Second)
}

func TestOutKnowsWhoIsActiveUntilItIsOverdue(t *testing.T) {
	b := newBench(t)
	b.step(0, standing(vrrp.Out))
	b.backup()
	b.wantDeadline(none)
	b.step(time.Second, heard(lower, 100))
	if got, want := b.m.Status().Active, (vrrp.Peer{Addr: lower, Priority: 100}); got != want {
		t.Errorf("Active %v, want %v", got, want)
	}
	b.wantDeadline(4 * time.Second)
	b.want(b.run(4 * time.Second))
	if got := b.m.Status().Active; got != (vrrp.Peer{}) {
		t.Errorf("Active %v after its silence, want nobody", got)
	}
	b.wantDeadline(none)
}

func TestNodeThatSteppedDownWaitsTwoIntervalsForOthers(t *testing.T) {
	b := newBench(t).active()
	b.step(100*ms, standing(vrrp.LastResort))
	b.want(b.run(2*time.Second), send(1), vrrp.Acquire{}, vrrp.Announce{},
		moved(vrrp.Backup, vrrp.Active, "nobody took over for 2s"))
}

func TestNodeThatSteppedDownFollowsItsSuccessor(t *testing.T) {
	b := newBench(t).active()
	b.step(100*ms, standing(vrrp.LastResort))
	b.want(b.step(time.Second, heard(lower, 100)))
	b.wantDeadline(down1)
}

func TestNodeThatShutsDownAnswersUntilItsSuccessorHasAnnouncedItself(t *testing.T) {
	b := newBench(t).active()
	b.want(b.step(0, vrrp.Shutdown{}), send(0))
	b.want(b.step(414*ms, heard(lower, 150)))
	b.want(b.step(ms, heard(lower, 150))) // no more time for that
	b.wantDeadline(49 * ms)
	b.want(b.run(48 * ms))
	b.want(b.run(ms), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "shut down: 198.51.100.1 took over"))
}

func TestNodeThatShutsDownAnswersForAnIntervalAtMost(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Interval = 10 * ms }).active()
	b.step(0, vrrp.Shutdown{})
	b.want(b.step(4*ms, heard(lower, 150)))
	b.wantDeadline(6 * ms)
}

func TestHealthyBackupTakesOverFromLastResortWhateverItsFailback(t *testing.T) {
	for _, f := range []vrrp.Failback{{}, {Never: true}, {After: time.Minute}} {
		t.Run(f.String(), func(t *testing.T) {
			b := newBench(t, func(c *vrrp.Config) { c.Failback = f }).backup()
			b.want(b.step(time.Second, heard(higher, 1)))
			b.want(b.step(skew/2, heard(higher, 1))) // a second one does not put it off
			b.want(b.step(skew-skew/2, vrrp.Timer{}), vrrp.Acquire{}, send(200), vrrp.Announce{},
				moved(vrrp.Backup, vrrp.Active, "peer 198.51.100.3 is at last resort (priority 1)"))
		})
	}
}

// One that both hears an Active better than itself and one at last resort
// which does not hear that one has nothing to gain.
func TestLastResortThatWillYieldToAnotherIsLeftToIt(t *testing.T) {
	b := newBench(t).backup()
	b.step(0, heard(lower, 250))
	b.want(b.step(500*ms, heard(higher, 1)))
	b.wantDeadline(down - 500*ms)
}

func TestBackupThatBecomesHealthyTakesOverFromLastResort(t *testing.T) {
	for _, before := range []vrrp.Standing{vrrp.LastResort, vrrp.Pending, vrrp.Out} {
		t.Run(before.String(), func(t *testing.T) {
			b := newBench(t, failbackNever)
			b.step(0, standing(before))
			b.backup()
			b.step(time.Second, heard(higher, 1))
			b.want(b.step(500*ms, standing(vrrp.Healthy)))
			b.wantDeadline(skew)
		})
	}
}

func TestLastResortsAreEqualAmongThemselves(t *testing.T) {
	b := newBench(t)
	b.step(0, standing(vrrp.LastResort))
	b.backup()
	b.want(b.step(time.Second, heard(lower, 1)))
	b.wantDeadline(down1)

	b = newBench(t).backup()
	b.step(time.Second, heard(lower, 1))
	b.step(100*ms, standing(vrrp.LastResort))
	b.wantDeadline(down1 - 100*ms)
}

func TestNodeThatCannotSpeakLetsGoAfterThreeIntervals(t *testing.T) {
	b := newBench(t).active()
	b.run(1500 * ms) // the last one that left: at 1s
	b.step(500*ms, vrrp.Timer{})
	b.want(b.step(0, vrrp.SendFailed{Err: errBoom}))
	b.want(b.step(100*ms, vrrp.AddressRemoved{})) // the lease ran out
	b.step(900*ms, vrrp.Timer{})
	b.want(b.step(0, vrrp.SendFailed{Err: errBoom}))
	b.step(time.Second, vrrp.Timer{})
	b.want(b.step(1, vrrp.SendFailed{Err: errBoom}), vrrp.Release{},
		moved(vrrp.Active, vrrp.Backup, "no advertisement left for 3s: boom"))
	b.wantDeadline(down)
}

func TestLeaseIsRenewedByTheFirstAdvertisementThatLeavesAgain(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Interval = 100 * ms }).active()
	b.run(5300 * ms)
	b.want(b.step(0, vrrp.SendFailed{Err: errBoom}))
	b.want(b.run(100*ms), send100ms(), vrrp.Acquire{})
}

func send100ms() vrrp.Send {
	s := send(200)
	s.Adv.Interval = 100 * ms
	return s
}

func TestNodeThatCannotInstallItsAddressesBacksOff(t *testing.T) {
	b := newBench(t).active()
	resigns := acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "addresses not installed: boom"))
	b.want(b.step(0, vrrp.AcquireFailed{Err: errBoom}), append(acts(send(0)), resigns...)...)
	for i, pause := range []time.Duration{5, 10, 20, 40, 60, 60} {
		if i > 0 {
			b.want(b.step(0, vrrp.AcquireFailed{Err: errBoom}), resigns...) // nothing was said
		}
		if got := b.m.Status(); got.Priority != 0 || got.Reason != "addresses not installed: boom" {
			t.Errorf("status has priority %d and reason %q, want 0 and the error", got.Priority, got.Reason)
		}
		b.want(b.run(pause*time.Second - ms))
		b.wantDeadline(ms)
		b.want(b.run(ms))
		b.wantDeadline(down)
		b.want(b.step(down, vrrp.Timer{}), vrrp.Acquire{}, send(200), vrrp.Announce{},
			moved(vrrp.Backup, vrrp.Active, "no advertisement for 3.2s"))
	}
	// An interval without a failure: the addresses could be installed.
	b.run(time.Second)
	b.step(0, vrrp.AcquireFailed{Err: errBoom})
	b.wantDeadline(5 * time.Second)
}

func TestStandingSurvivesAFault(t *testing.T) {
	b := newBench(t).active()
	b.step(0, vrrp.Fault{Reason: "no carrier"})
	if got := b.m.Status().Reason; got != "no carrier" {
		t.Errorf("reason %q, want the fault's", got)
	}
	b.want(b.step(0, vrrp.Fault{Reason: "no address"}))
	if got := b.m.Status().Reason; got != "no address" {
		t.Errorf("reason %q, want that of the last fault", got)
	}
	b.step(0, standing(vrrp.LastResort))
	b.backup()
	b.wantDeadline(down1)
}

func TestLateEventsFindTheNodeAside(t *testing.T) {
	aside := func(reason string) []vrrp.Action {
		return acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, reason))
	}
	const late = "woke late: last advertisement left 10s ago"
	for name, test := range map[string]struct {
		event vrrp.Event
		then  []vrrp.Action
	}{
		"lower advertisement": {heard(higher, 100), nil},
		"own address":         {heard(self, 100), acts(vrrp.Discard{Src: self, Reason: vrrp.ReasonOwnAddress})},
		"shutdown":            {vrrp.Shutdown{}, acts(moved(vrrp.Backup, vrrp.Initialize, "shut down"))},
		"fault":               {vrrp.Fault{Reason: "no carrier"}, acts(moved(vrrp.Backup, vrrp.Initialize, "no carrier"))},
		"illness":             {standing(vrrp.LastResort), nil},
		"address removed":     {vrrp.AddressRemoved{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).active()
			b.want(b.step(10*time.Second, test.event), append(aside(late), test.then...)...)
		})
	}
}

// A Backup that was frozen finds packets of its living Active unread, and
// whatever wakes it must not find the timer spent.
func TestFrozenBackupListensAnew(t *testing.T) {
	for name, wake := range map[string]vrrp.Event{
		"timer":    vrrp.Timer{},
		"standing": standing(vrrp.LastResort),
		"rubbish":  heard(self, 1),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *vrrp.Config) { c.Failback.After = 2 * time.Second }).backup()
			b.step(time.Second, heard(lower, 100))
			b.step(time.Minute, wake)
			b.wantState(vrrp.Backup)
			if got := b.deadline(); got < down {
				t.Errorf("deadline in %s, want a whole Active_Down_Interval", got)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	b := newBench(t).backup()
	b.step(time.Second, vrrp.Received{Src: lower, Adv: func() vrrp.Advertisement {
		a := advert(100)
		a.Checksum = vrrp.MessageOnly
		return a
	}()})
	b.step(0, heard(self, 1))
	b.step(b.deadline(), vrrp.Timer{})
	since := b.now
	b.step(100*ms, heard(lower, 0))
	want := vrrp.Status{
		VRID: 7, State: vrrp.Active, Since: since, Priority: 200,
		Reason: "198.51.100.1 has lower priority 100",
		Active: vrrp.Peer{Addr: self, Priority: 200},
		Counters: vrrp.Counters{
			Received: 2, PseudoHeader: 1, MessageOnly: 1, PriorityZeroReceived: 1,
			BecameActive: 1, Contradictions: 1,
		},
	}
	want.Counters.Discarded[vrrp.ReasonOwnAddress] = 1
	if diff := cmp.Diff(want, b.m.Status(), cmpAddr); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	b.step(0, standing(vrrp.Out))
	got := b.m.Status().Counters
	if got.LeftActive != 1 || got.PriorityZeroSent != 1 {
		t.Errorf("left Active %d times with %d Priority 0, want 1 and 1", got.LeftActive, got.PriorityZeroSent)
	}
}

// While it is kept out, an Active counts as overdue after four intervals; when
// it takes part again that is less, and may be over already.
func TestDeadlineLiesAheadAfterARetryThatFindsTheActiveOverdue(t *testing.T) {
	b := newBench(t).active()
	b.step(0, vrrp.AcquireFailed{Err: errBoom})
	b.step(1700*ms, heard(lower, 100))
	b.step(0, standing(vrrp.Pending))
	b.run(5 * time.Second) // fails the test where Timer does not move the deadline on
	b.wantDeadline(none)
}

func TestAddressesTakenAwayAgainAndAgainAreTakenBackAtAPace(t *testing.T) {
	b := newBench(t).active()
	back := acts(vrrp.Acquire{}, vrrp.Announce{})
	b.want(b.step(10*ms, vrrp.AddressRemoved{}), back...)
	b.want(b.step(10*ms, vrrp.AddressRemoved{}))
	b.want(b.step(10*ms, vrrp.AddressRemoved{}))
	b.wantDeadline(80 * ms)
	b.want(b.run(80*ms), back...)
	b.want(b.step(100*ms, vrrp.AddressRemoved{}), back...)
}
