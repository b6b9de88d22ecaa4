package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/status"
)

const (
	// Workers that crash crashLoop times within crashWindow do it again and
	// again.
	crashLoop   = 5
	crashWindow = 30 * time.Second
	// missingLimit is how long a worker may be missing before the master is
	// replaced for it; missingPause the time to the next attempt.
	missingLimit = time.Second
	missingPause = time.Minute
	// A master that hangs is replaced, a stopped one sooner than one that works:
	// names may take long to look up.
	stoppedLimit = frozenLimit
	busyLimit    = 3 * time.Minute
)

// crew is what the loop knows of the processes of its master.
type crew struct {
	nginxctl.Crew
	crashes   []time.Time // the last ones, crashLoop at most
	loopUntil time.Time   // for how long the crashes count as a loop
	missing   time.Time   // since when workers are; zero: none is
	healAt    time.Time   // when to replace the master for them; zero: none is missing
	healed    time.Time   // when that was last done
	incurable error       // why it was in vain; nil: it was not tried
	endAt     time.Time   // when a master that hangs is replaced; zero: it does not
}

// followCrew takes what has become of nginx's processes since the last look.
func (s *Supervisor) followCrew(now time.Time) {
	n := &s.node
	if n.phase != phaseRunning || s.replacing.Load() {
		return
	}
	next := n.master.Crew()
	if crashes := next.Crashes - n.crew.Crashes; crashes > 0 {
		n.nginx.WorkerCrashes += uint64(crashes)
		s.countCrashes(crashes, next.Crash, now)
	}
	if loads := next.Loads - n.crew.Loads; loads > 0 && !s.job.busy() {
		n.nginx.Generation += uint64(loads)
		s.reloadedFromOutside()
	} else {
		next.Loads = n.crew.Loads // a job of ours tells, when it is done
	}
	switch {
	case next.Missing == 0:
		n.crew.missing, n.crew.healAt, n.crew.incurable = time.Time{}, time.Time{}, nil
	case n.crew.missing.IsZero():
		n.crew.missing, n.crew.healAt = now, later(now.Add(missingLimit), n.crew.healed.Add(missingPause))
	}
	switch h := next.Hang; {
	case h == nil:
		n.crew.endAt = time.Time{}
	case n.crew.Hang == nil || *h != *n.crew.Hang:
		n.crew.endAt = h.Since.Add(hangLimit(h))
	}
	n.crew.Crew = next
}

// hangLimit is how long a master may hang before it is replaced.
func hangLimit(h *nginxctl.Hang) time.Duration {
	if h.Stopped {
		return stoppedLimit
	}
	return busyLimit
}

// countCrashes tells of workers that crash in a loop. nginx replaces them at
// once, without a pause, for ever.
func (s *Supervisor) countCrashes(crashes int, words string, now time.Time) {
	c := &s.node.crew
	for range min(crashes, crashLoop) {
		c.crashes = append(c.crashes, now)
	}
	c.crashes = c.crashes[max(0, len(c.crashes)-crashLoop):]
	s.log.Warn("nginx's workers crashed", "workers", crashes, "err", words)
	if len(c.crashes) < crashLoop || now.Sub(c.crashes[0]) > crashWindow {
		return
	}
	if c.loopUntil.Before(now) {
		s.log.Error("nginx's workers crash again and again", "err", words)
	}
	c.loopUntil = now.Add(crashWindow)
}

// reloadedFromOutside takes note of what somebody else had nginx load. No job
// runs when it is called.
func (s *Supervisor) reloadedFromOutside() {
	s.log.Info("nginx was reloaded from outside", "generation", s.node.nginx.Generation)
	if s.node.fault != nil { // it has loaded the copy once more, which is not what was meant
		s.reloads.ask(false)
		return
	}
	master := s.node.master
	s.do(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, startLimit)
		defer cancel()
		c, err := s.read(ctx, s.nginx.Direct())
		if s.custody != nil {
			s.resume(master)
		}
		return func() {
			s.checkCustody()
			if err != nil {
				s.log.Warn("what nginx has loaded could not be read", "err", err)
				return
			}
			n := &s.node.nginx
			n.Configuration, n.Reason = relation(nil)
			s.forgetRetry()
			s.probe.Store(c.probe)
			s.watchFiles(c)
			s.keep(c)
		}
	})
}

// heal replaces a master that does not replace workers. A reload will not do:
// where the new workers give up, too, it would end the last old ones. No job runs
// when it is called.
func (s *Supervisor) heal(now time.Time) {
	c := &s.node.crew
	c.healAt, c.healed = now.Add(missingPause), now
	if s.node.nginx.Configuration != configurationCurrent {
		return // something else would be loaded, which has its own time
	}
	s.log.Warn("nginx does not replace workers that gave up: replacing nginx", "missing", c.Missing, "err", c.Crash)
	s.load(loading{heal: true})
}

// endHung takes a master that hangs for dead: its workers serve on, as orphans
// do, until they have a successor.
func (s *Supervisor) endHung(now time.Time) {
	if at := s.node.frozenAt; !at.IsZero() { // nobody answers: all of it will be ended
		s.node.crew.endAt = at.Add(time.Second)
		return
	}
	if s.job.busy() { // a reload, which waits for the same master
		s.job.cancel(errors.New(s.node.crew.Hang.String()))
		s.node.crew.endAt = now.Add(100 * time.Millisecond)
		return
	}
	s.masterLost(errors.New(s.node.crew.Hang.String()))
}

// warnings are what a person should know of nginx's processes.
func (c *crew) warnings(now time.Time) (list []string) {
	if now.Before(c.loopUntil) {
		list = append(list, fmt.Sprintf("nginx's workers crash again and again, %d times so far: %s", c.Crashes, c.Crash))
	}
	if c.Missing > 0 && now.Sub(c.missing) > missingLimit {
		words := fmt.Sprintf("%d of nginx's workers are missing, and it does not replace them: %s", c.Missing, c.Crash)
		if c.incurable != nil {
			words += fmt.Sprintf("; a new nginx does no better: %v", c.incurable)
		}
		list = append(list, words)
	}
	if c.Hang != nil && now.Sub(c.Hang.Since) > time.Second {
		list = append(list, fmt.Sprintf("%v, for %v now", c.Hang, now.Sub(c.Hang.Since).Round(time.Second)))
	}
	return list
}

// lingering are workers of earlier configurations, by their generation.
func (c *crew) lingering(generation uint64) (list []status.Lingering) {
	for _, o := range c.Lingering {
		list = append(list, status.Lingering{
			Generation: generation - uint64(c.Loads-o.Load),
			Workers:    o.Workers,
			Since:      o.Since,
		})
	}
	return list
}
