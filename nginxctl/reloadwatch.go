package nginxctl

import (
	"slices"
	"time"
)

// A verdict is what a reload has come to.
type verdict int

const (
	running  verdict = iota // not ended
	applied                 // workers of the new configuration run
	rejected                // the old configuration goes on
	doubtful                // ended, and not to be told how
)

// sample is the master as it looked at one moment.
type sample struct {
	now      time.Duration // since boot
	idle     bool          // asleep, with no reload before it
	children []Process
}

// reloadWatch judges one reload from samples that begin after its signal.
//
// After a successful reload the master forks the new workers, sleeps for 100 ms
// and tells the old ones to end; only then is it idle again. After a failed one
// it is idle at once, and so it is after it has replaced crashed workers, whose
// successors look new as well. The age that the new workers have when the master
// gets idle tells the two apart.
type reloadWatch struct {
	old      []Process
	busyAt   time.Duration // of the last sample in which the master was busy; 0: it never was
	idleAt   time.Duration // of the first sample in which it was idle again; 0: it is busy
	sawLeave bool          // an old worker was seen shutting down
	born     time.Duration // of the oldest process that is new, dead by now or not; 0: none seen
}

const (
	clockTick  = 10 * time.Millisecond // of a start time: USER_HZ
	respawnMax = 50 * time.Millisecond // the age of a crashed worker's successor is below it
	stuckAfter = 2 * time.Second       // an old worker that has not reacted by then is stuck, and accepts nothing
)

func (w *reloadWatch) observe(s sample) verdict {
	staying := 0 // old workers that go on
	var fresh []Process
	for _, p := range s.children {
		switch {
		case !slices.ContainsFunc(w.old, p.same):
			fresh = append(fresh, p)
			if b := time.Duration(p.StartTime) * clockTick; w.born == 0 || b < w.born {
				w.born = b
			}
		case p.IsWorker() && p.ShuttingDown():
			w.sawLeave = true
		case p.IsWorker():
			staying++
		}
	}
	if !s.idle {
		w.busyAt, w.idleAt = s.now, 0
		return running
	}
	if w.idleAt == 0 {
		w.idleAt = s.now
		return running // once more, to be sure
	}
	switch {
	case w.born == 0 || w.idleAt-w.born < respawnMax:
		return rejected
	case w.busyAt-w.born < respawnMax:
		return doubtful // it was not looked at when it mattered
	case !anyWorker(fresh):
		return running // forked, and not yet a worker by its title
	case staying > 0 && s.now-w.idleAt < stuckAfter:
		return running
	}
	return applied
}
