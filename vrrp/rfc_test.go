package vrrp_test

import (
	"net/netip"
	"testing"
	"time"

	"ngha/vrrp"
)

// The tests of this file go through RFC 9568 by section. Where RFC 3768 says
// something else it has a test of its own.

func failbackNever(c *vrrp.Config) { c.Failback = vrrp.Failback{Never: true} }

func version2(c *vrrp.Config) { c.Version = vrrp.V2 }

// advert2 is an advertisement of VRRPv2.
func advert2(priority uint8) vrrp.Advertisement {
	a := advert(priority)
	a.Version, a.Checksum = vrrp.V2, vrrp.MessageOnly
	return a
}

// every is an advertisement with another interval.
func every(d time.Duration, priority uint8) vrrp.Advertisement {
	a := advert(priority)
	a.Interval = d
	return a
}

// Section 5.2.4: priority 255 belongs to the address owner, 0 to one that
// gives up; others send 1-254, and the configured one.
func TestSection5_2_4AdvertisementsCarryTheConfiguredPriority(t *testing.T) {
	for _, action := range newBench(t).active().run(10 * time.Second) {
		if s, ok := action.(vrrp.Send); ok && s.Adv.Priority != 200 {
			t.Errorf("sent priority %d, want 200", s.Adv.Priority)
		}
	}
}

// Section 6.1: Active_Adver_Interval is learned by Backups; what a router
// advertises is its own Advertisement_Interval.
func TestSection6_1OwnAdvertisementsCarryTheOwnInterval(t *testing.T) {
	b := newBench(t).backup()
	b.step(0, vrrp.Received{Src: lower, Adv: every(3*time.Second, 250)})
	b.wantDeadline(9*time.Second + 3*skew)
	got := b.step(9*time.Second+3*skew, vrrp.Timer{})
	b.want(got, send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "no advertisement for 9.7s"))
	b.step(500*ms, vrrp.Timer{})
	b.want(b.step(500*ms, vrrp.Timer{}), send(200), vrrp.Acquire{}, vrrp.Announce{})
}

// Section 6.4.1, Startup of a node that is not the owner.
func TestSection6_4_1StartupListensForActiveDownInterval(t *testing.T) {
	b := newBench(t)
	b.wantDeadline(none)
	b.want(b.step(0, vrrp.Startup{Source: self}), moved(vrrp.Initialize, vrrp.Backup, "started"))
	b.wantDeadline(down)
}

// Section 6.4.2: a Backup must not answer for the addresses nor accept what
// is sent to them.
func TestSection6_4_2BackupNeverHoldsTheAddresses(t *testing.T) {
	b := newBench(t).backup()
	for range 20 {
		for _, action := range b.step(time.Second, heard(lower, 250)) {
			t.Errorf("a Backup that hears its Active did %T", action)
		}
	}
}

// Section 6.4.2, Active_Down_Timer fires: the advertisement goes first.
func TestSection6_4_2SilenceMakesActive(t *testing.T) {
	b := newBench(t).backup()
	b.want(b.step(down-1, vrrp.Timer{}))
	b.want(b.step(1, vrrp.Timer{}),
		send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "no advertisement for 3.2s"))
}

// Section 6.4.2, Priority 0: Active_Down_Timer is set to Skew_Time.
func TestSection6_4_2PriorityZeroSetsSkewTime(t *testing.T) {
	b := newBench(t).backup()
	b.step(0, heard(higher, 250))
	b.want(b.step(time.Second, heard(higher, 0)))
	b.wantDeadline(skew)
	b.want(b.step(skew, vrrp.Timer{}), send(200), vrrp.Acquire{}, vrrp.Announce{},
		moved(vrrp.Backup, vrrp.Active, "peer 198.51.100.3 released (priority 0)"))
}

// The same with a learned interval, from which Skew_Time is computed, and
// under VRRPv2, where it does not depend on the interval.
func TestSection6_4_2SkewTimeFollowsTheLearnedInterval(t *testing.T) {
	b := newBench(t).backup()
	b.step(0, vrrp.Received{Src: higher, Adv: every(4*time.Second, 250)})
	b.step(0, vrrp.Received{Src: higher, Adv: every(4*time.Second, 0)})
	b.wantDeadline(4 * skew)

	b = newBench(t, version2, func(c *vrrp.Config) { c.Interval = 4 * time.Second }).backup()
	b.wantDeadline(12*time.Second + skew)
	a := advert2(0)
	a.Interval = 4 * time.Second
	b.step(0, vrrp.Received{Src: higher, Adv: a})
	b.wantDeadline(skew)
}

// Section 6.4.2: with Preempt_Mode false any Active is followed; with true,
// one of lower priority is not.
func TestSection6_4_2PreemptMode(t *testing.T) {
	for _, test := range []struct {
		failback vrrp.Failback
		priority uint8
		want     time.Duration // the deadline after an advertisement at 1s
	}{
		{vrrp.Failback{}, 199, down - time.Second},
		{vrrp.Failback{}, 200, down},
		{vrrp.Failback{}, 201, down},
		{vrrp.Failback{Never: true}, 2, down},
		{vrrp.Failback{Never: true}, 199, down},
		{vrrp.Failback{Never: true}, 200, down},
		{vrrp.Failback{Never: true}, 201, down},
		{vrrp.Failback{After: time.Minute}, 199, down},
	} {
		b := newBench(t, func(c *vrrp.Config) { c.Failback = test.failback }).backup()
		b.want(b.step(time.Second, heard(lower, test.priority)))
		if got := b.deadline(); got != test.want {
			t.Errorf("failback %s: deadline after priority %d in %s, want %s", test.failback, test.priority, got, test.want)
		}
	}
}

// Section 6.4.2: addresses break ties between Actives only.
func TestSection6_4_2BackupFollowsAnEqualOfAnyAddress(t *testing.T) {
	for _, peer := range []netip.Addr{lower, higher} {
		b := newBench(t).backup()
		b.want(b.step(time.Second, heard(peer, 200)))
		b.wantDeadline(down)
	}
}

// Section 6.4.2: the interval of the Active is adopted; of one that is
// ignored it is not.
func TestSection6_4_2IntervalIsAdopted(t *testing.T) {
	b := newBench(t).backup()
	b.step(time.Second, vrrp.Received{Src: higher, Adv: every(100*ms, 250)})
	b.wantDeadline(300*ms + skew/10)

	b = newBench(t).backup()
	b.step(time.Second, vrrp.Received{Src: higher, Adv: every(100*ms, 150)})
	b.wantDeadline(down - time.Second)
}

// Section 6.4.2, Shutdown.
func TestSection6_4_2ShutdownSaysNothing(t *testing.T) {
	b := newBench(t).backup()
	b.want(b.step(0, vrrp.Shutdown{}), moved(vrrp.Backup, vrrp.Initialize, "shut down"))
}

// Section 6.4.3, Adver_Timer fires.
func TestSection6_4_3ActiveAdvertisesEveryInterval(t *testing.T) {
	b := newBench(t).active()
	began := b.now
	var at []time.Duration
	for len(at) < 5 {
		for _, action := range b.step(b.deadline(), vrrp.Timer{}) {
			if _, ok := action.(vrrp.Send); ok {
				at = append(at, b.now.Sub(began))
			}
		}
	}
	for i, got := range at {
		if want := time.Duration(i+1) * time.Second; got != want {
			t.Errorf("advertisement %d after %s, want %s", i+1, got, want)
		}
	}
}

// Section 6.4.3, Priority 0: an advertisement at once, and Adver_Timer anew.
func TestSection6_4_3PriorityZeroIsAnsweredAndRestartsAdverTimer(t *testing.T) {
	b := newBench(t).active()
	b.run(6 * time.Second)
	b.step(600*ms, heard(lower, 0))
	b.want(b.run(999 * ms)) // the one of 7s is put off
	b.want(b.run(ms), send(200), vrrp.Acquire{}, vrrp.Announce{})
}

// Section 6.4.3, a claimant that is outranked: it is discarded, and answered
// at once. Adver_Timer runs on.
func TestSection6_4_3LowerClaimantIsAnswered(t *testing.T) {
	b := newBench(t).active()
	b.run(6 * time.Second)
	b.want(b.step(600*ms, heard(higher, 199)), send(200), vrrp.Announce{})
	b.want(b.run(400*ms), send(200), vrrp.Acquire{})
	b.wantState(vrrp.Active)
}

// Section 6.4.3, a higher priority: Active_Down_Timer, the interval, Backup.
// Preempt_Mode is not asked.
func TestSection6_4_3HigherPriorityMakesBackup(t *testing.T) {
	for _, change := range []func(*vrrp.Config){func(*vrrp.Config) {}, failbackNever} {
		b := newBench(t, change).active()
		b.want(b.step(100*ms, vrrp.Received{Src: lower, Adv: every(2*time.Second, 201)}),
			send(200), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.1 has higher priority 201"))
		b.wantDeadline(2 * down)
	}
}

// Section 6.4.3: an equal priority is decided by the address, compared as an
// unsigned number.
func TestSection6_4_3TiesGoToTheHigherAddress(t *testing.T) {
	for _, test := range []struct {
		peer string
		want vrrp.State
	}{
		{"198.51.100.1", vrrp.Active},
		{"198.51.100.3", vrrp.Backup},
		{"198.51.100.200", vrrp.Backup}, // greater than 127 in the last octet
		{"203.0.113.1", vrrp.Backup},
		{"9.51.100.9", vrrp.Active}, // greater as text
	} {
		b := newBench(t).active()
		b.step(100*ms, heard(netip.MustParseAddr(test.peer), 200))
		if got := b.m.Status().State; got != test.want {
			t.Errorf("after the same priority from %s: %s, want %s", test.peer, got, test.want)
		}
	}
}

// Section 6.4.3, Shutdown: Priority 0. (That the addresses stay until the
// successor speaks is beyond the RFC.)
func TestSection6_4_3ShutdownSaysPriorityZero(t *testing.T) {
	b := newBench(t).active()
	b.want(b.step(0, vrrp.Shutdown{}), send(0))
}

// Section 7.1: the version and the VRID must be those configured.
func TestSection7_1OtherVirtualRoutersAreDiscarded(t *testing.T) {
	other := advert(250)
	other.VRID = 8
	for reason, adv := range map[vrrp.Reason]vrrp.Advertisement{
		vrrp.ReasonVersion: advert2(250),
		vrrp.ReasonVRID:    other,
	} {
		b := newBench(t).backup()
		b.want(b.step(time.Second, vrrp.Received{Src: higher, Adv: adv}), vrrp.Discard{Src: higher, Reason: reason})
		b.wantDeadline(down - time.Second)
	}
}

// Section 7.1: another list of addresses is no reason to discard, since both
// nodes would become Active.
func TestSection7_1AnotherAddressListIsAccepted(t *testing.T) {
	adv := advert(250)
	adv.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.77"), vip.Addr()}
	b := newBench(t).backup()
	b.want(b.step(time.Second, vrrp.Received{Src: higher, Adv: adv}))
	b.wantDeadline(down)
}

// Section 7.1 of RFC 3768: another interval is discarded under VRRPv2. RFC
// 9568 demands the opposite; see TestSection6_4_2IntervalIsAdopted.
func TestRFC3768Section7_1AnotherIntervalIsDiscarded(t *testing.T) {
	other := advert2(250)
	other.Interval = 2 * time.Second
	b := newBench(t, version2).backup()
	b.want(b.step(time.Second, vrrp.Received{Src: higher, Adv: other}), vrrp.Discard{Src: higher, Reason: vrrp.ReasonInterval})
	b.wantDeadline(down - time.Second)
	b.want(b.step(0, vrrp.Received{Src: higher, Adv: advert2(250)}))
	b.wantDeadline(down)
}
