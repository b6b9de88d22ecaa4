package system_test

import (
	"slices"
	"testing"
	"time"

	"ngha/testenv"
)

// ownerLaw watches that each of some addresses has one owner.
type ownerLaw struct {
	*testing.T
	probes  map[string]*testenv.ARPProbe
	windows []window
}

// window is a time in which an address may have two owners.
type window struct {
	why      string
	from, to time.Time
	limit    time.Duration // of the time with two owners; 0: the window's own
}

func (w window) covers(at time.Time) bool { return !at.Before(w.from) && !at.After(w.to) }

// newOwnerLaw watches addresses until the test ends.
func newOwnerLaw(t *testing.T, from *testenv.Link, addresses ...string) *ownerLaw {
	t.Helper()
	l := &ownerLaw{T: t, probes: make(map[string]*testenv.ARPProbe)}
	for _, a := range addresses {
		l.probes[a] = from.ProbeARP(a, arpPace)
	}
	t.Cleanup(func() {
		for a, p := range l.probes {
			l.judge(a, p.Stop().Contested())
		}
	})
	return l
}

// during declares that while f runs the address may have two owners, for as
// long as limit in all.
func (l *ownerLaw) during(why string, limit time.Duration, f func()) window {
	l.Helper()
	w := window{why: why, from: time.Now(), limit: limit}
	f()
	w.to = time.Now()
	l.windows = append(l.windows, w)
	return w
}

func (l *ownerLaw) judge(address string, contested testenv.ARPResult) {
	for _, w := range l.windows {
		inside := where(contested, w.covers)
		if span := inside.Span(); w.limit > 0 && span > w.limit {
			l.Errorf("%s: %s had two owners, %v, for %v, want %v at most", w.why, address, inside[0].Answered, span, w.limit)
		}
	}
	for _, q := range where(contested, func(at time.Time) bool {
		return !slices.ContainsFunc(l.windows, func(w window) bool { return w.covers(at) })
	}) {
		l.Errorf("at %s %s had two owners: %v", q.At.Format("15:04:05.000"), address, q.Answered)
	}
}

func where(all testenv.ARPResult, at func(time.Time) bool) testenv.ARPResult {
	return slices.DeleteFunc(slices.Clone(all), func(q testenv.ARPRequest) bool { return !at(q.At) })
}

// leaseOverlap is how long an address may have two owners after the ngha that
// held it was killed or frozen. Its kernel removes the address when the lease
// ends, at most a second late, and the peer, whose priority is given, has taken
// over an Active_Down_Interval after the last advertisement, which was also the
// last renewal (RFC 9568 section 6.1).
func leaseOverlap(interval time.Duration, priority int) time.Duration {
	lease := max((3 * interval).Truncate(time.Second), time.Second)
	down := 3*interval + time.Duration(256-priority)*interval/256
	return max(lease+time.Second-down, 0)
}
