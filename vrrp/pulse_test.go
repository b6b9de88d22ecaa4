package vrrp_test

import (
	"testing"
	"time"

	"ngha/vrrp"
)

// sends are the instants of the advertisements of a machine whose timer is
// served late by each of the delays in turn.
func (b *bench) sends(count int, late ...time.Duration) []time.Time {
	var at []time.Time
	for i := 0; len(at) < count; i++ {
		b.now = b.m.Deadline().Add(late[i%len(late)])
		for _, a := range b.m.Step(b.now, vrrp.Timer{}) {
			if _, ok := a.(vrrp.Send); ok {
				at = append(at, b.now)
			}
		}
	}
	return at
}

func TestAdvertisementsComeIntoThePulse(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, 0, 400 * ms, time.Second - 1, 1000 * time.Hour} {
		b := newBench(t, func(c *vrrp.Config) { c.Pulse = epoch.Add(offset) }).active()
		last := b.now
		at := b.sends(40, 0, 300*time.Microsecond, 50*time.Microsecond, 0)
		for i, now := range at {
			if gap := now.Sub(last); gap > time.Second+ms || gap < time.Second-time.Second/32-ms {
				t.Errorf("pulse at %v: advertisement %d came %v after the one before", offset, i, gap)
			}
			last = now
		}
		for _, now := range at[32:] {
			if past := (now.Sub(epoch) - offset + 2*time.Hour) % time.Second; past > ms {
				t.Errorf("pulse at %v: an advertisement %v past it", offset, past)
			}
		}
	}
}

// TestWithoutAPulseTheIntervalIsExact, as RFC 9568 section 6.4.3 has it.
func TestWithoutAPulseTheIntervalIsExact(t *testing.T) {
	b := newBench(t).active()
	last := b.now
	for i, now := range b.sends(10, 0) {
		if gap := now.Sub(last); i > 0 && gap != time.Second {
			t.Errorf("advertisement %d came %v after the one before", i, gap)
		}
		last = now
	}
}
