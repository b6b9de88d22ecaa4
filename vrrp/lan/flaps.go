package lan

import "time"

const (
	// flapWindow is how long a link must have stayed up for its losses to be
	// forgotten.
	flapWindow = time.Minute
	// The second loss within the window makes the link unsteady for the first of
	// these after it is back, each further one for twice as long, up to the last.
	firstUnsteady, lastUnsteady = 2 * time.Second, time.Minute
)

// flaps is how often a link has gone away lately. A node whose cable is loose
// would otherwise take the addresses each time the link comes back, and lose them
// again: each time is an outage for all clients.
type flaps struct {
	losses int
	away   bool      // it is lost now
	last   time.Time // when it was lost, or unsteady, for the last time
	until  time.Time // it is unsteady; zero: it is not
}

// lost counts a loss.
func (f *flaps) lost(now time.Time) {
	if now.Sub(f.last) > flapWindow {
		f.losses = 0
	}
	f.losses, f.last, f.away = f.losses+1, now, true
}

// back takes in that the link is there, and returns until when it is unsteady.
func (f *flaps) back(now time.Time) time.Time {
	if f.away && f.losses > 1 {
		unsteady := firstUnsteady
		for range f.losses - 2 {
			unsteady = min(2*unsteady, lastUnsteady)
		}
		f.until = now.Add(unsteady)
	}
	f.away = false
	return f.until
}

// over reports, once, that the link has become steady again.
func (f *flaps) over(now time.Time) bool {
	if f.until.IsZero() || now.Before(f.until) {
		return false
	}
	f.last, f.until = f.until, time.Time{}
	return true
}
