package supervisor

import "time"

// budget limits how often nginx is started anew: Limit times within Window,
// each later than the one before.
type budget struct {
	Limit  int
	Window time.Duration

	spent []time.Time // within Window, oldest first
}

// The pause before a restart: none at first, then doubling.
const (
	restartPauseFirst = 250 * time.Millisecond
	restartPauseMost  = 10 * time.Second
)

// spend takes one restart at now out of the budget. It returns how long to
// wait first, and whether there was one left. One too many is granted all the
// same, at the longest pause, to a caller that has a reason to go on.
func (b *budget) spend(now time.Time) (pause time.Duration, left bool) {
	for len(b.spent) > 0 && now.Sub(b.spent[0]) >= b.Window {
		b.spent = b.spent[1:]
	}
	n := len(b.spent)
	if n >= b.Limit {
		return restartPauseMost, false
	}
	b.spent = append(b.spent, now)
	if n == 0 {
		return 0, true
	}
	return min(restartPauseFirst<<(n-1), restartPauseMost), true
}
