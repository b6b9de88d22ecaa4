package vrrp_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

func TestContradictionsAreAnsweredAtAMeasuredPace(t *testing.T) {
	b := newBench(t).active()
	b.run(10 * time.Second) // the announcements of the takeover are over
	var sent, announced int
	count := func(actions []vrrp.Action) {
		for _, action := range actions {
			switch action.(type) {
			case vrrp.Send:
				sent++
			case vrrp.Announce:
				announced++
			}
		}
	}
	for range 1000 { // 10s of them
		count(b.step(10*ms, heard(higher, 100)))
		count(b.step(0, vrrp.Timer{}))
	}
	if sent > 20 || sent < 19 {
		t.Errorf("%d advertisements in 10s, want one regular and one extra per second", sent)
	}
	if announced > 11 || announced < 10 {
		t.Errorf("%d announcements in 10s, want one per second and one ahead", announced)
	}
	if got := b.m.Status().Counters.Contradictions; got != 1000 {
		t.Errorf("%d contradictions counted, want 1000", got)
	}
}

func TestOneMoreAnnouncementFollowsTheLastContradiction(t *testing.T) {
	b := newBench(t).active()
	b.run(10*time.Second + 100*ms)
	b.want(b.step(0, heard(higher, 100)), send(200), vrrp.Announce{})
	b.want(b.step(ms, heard(higher, 100)), vrrp.Announce{})
	b.want(b.step(299*ms, heard(higher, 100)))
	b.want(b.run(999*ms), send(200), vrrp.Acquire{})
	b.want(b.run(ms), vrrp.Announce{})
	b.want(b.run(600*ms), send(200), vrrp.Acquire{})
}

// The loser of a partition may announce itself, by its schedule, between the
// winner's announcement and its own yielding: its clients would be lost until
// the winner's next one.
func TestFarewellOfTheLoserIsAnsweredAtOnce(t *testing.T) {
	b := newBench(t).active()
	b.run(10 * time.Second)
	b.want(b.step(100*ms, heard(lower, 100)), send(200), vrrp.Announce{})
	b.want(b.step(ms, heard(lower, 100)), vrrp.Announce{})
}

func TestTakeoverIsAnnouncedOnASchedule(t *testing.T) {
	b := newBench(t).backup()
	b.step(down, vrrp.Timer{})
	began := b.now
	var got []time.Duration
	for b.now.Sub(began) < 3*time.Minute {
		for _, action := range b.step(b.deadline(), vrrp.Timer{}) {
			if _, ok := action.(vrrp.Announce); ok {
				got = append(got, b.now.Sub(began))
			}
		}
	}
	want := []time.Duration{500 * ms, 1000 * ms, 1500 * ms, 2000 * ms, 2500 * ms,
		5 * time.Second, 65 * time.Second, 125 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("announcements after the takeover (-want +got):\n%s", diff)
	}
}

func TestLeaseIsRenewedFourTimesASecondAtMost(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Interval = 10 * ms }).active()
	renewed := 0
	var before vrrp.Action
	for _, action := range b.run(10 * time.Second) {
		if _, ok := action.(vrrp.Acquire); ok {
			renewed++
			if _, ok := before.(vrrp.Send); !ok {
				t.Errorf("Acquire after %T, want it after Send", before)
			}
		}
		before = action
	}
	if renewed < 38 || renewed > 40 {
		t.Errorf("lease renewed %d times in 10s, want 40 or nearly", renewed)
	}
}
