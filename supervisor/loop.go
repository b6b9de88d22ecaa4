package supervisor

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl"
	"ngha/supervisor/health"
)

// answer is what one probe finds.
type answer struct {
	status   nginxctl.StubStatus
	stopping bool // the master has been told to stop, and not by us
}

// beat is how often the loop comes round at least. What it misses of that is its
// own lateness, and no silence of nginx.
const beat = 250 * time.Millisecond

// loop waits for events and handles them until something calls end.
func (s *Supervisor) loop(ctx context.Context, sigs <-chan os.Signal) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for now := time.Now(); s.ending == nil; {
		due := now.Add(beat)
		timer.Reset(time.Until(s.next(due)))
		handle := s.receive(ctx, sigs, timer.C)
		now = time.Now()
		if late := now.Sub(due); late > 0 {
			s.missed(late, now)
		}
		handle()
		s.tick(now) // however long handle took: that is accounted for in the next round
		s.publish()
	}
}

// receive waits for an event and returns what handles it.
func (s *Supervisor) receive(ctx context.Context, sigs <-chan os.Signal, due <-chan time.Time) (handle func()) {
	var died, crew <-chan struct{}
	if s.node.master != nil && !s.replacing.Load() {
		died, crew = s.node.master.Done(), s.node.master.CrewChanged()
	}
	asked, changes := s.reloads.asked, s.watcher.Changes()
	if s.job.busy() {
		asked, changes = nil, nil // until it is done
	}
	select {
	case sig := <-sigs:
		return func() { s.signal(sig) }
	case <-ctx.Done():
		return func() { s.end(nil) }
	case done := <-s.jobs:
		return done
	case <-died:
		return func() {
			if !s.replacing.Load() {
				s.masterEnded()
			}
		}
	case r := <-s.answers:
		return func() { s.answered(r) }
	case turn := <-s.turns:
		return func() { s.observe(turn) }
	case <-asked:
		return s.reloadAsked
	case c := <-changes:
		return func() { s.filesChanged(c) }
	case <-crew: // tick looks at it
	case <-s.turned:
	case <-due:
	}
	return func() {}
}

// missed puts off what is due when nginx has been silent, or as it is, for long
// enough: late is how long nobody was here to see it. Its answers of that time are
// still to come.
func (s *Supervisor) missed(late time.Duration, now time.Time) {
	s.node.answered = earlier(s.node.answered.Add(late), now)
	for _, at := range []*time.Time{&s.node.frozenAt, &s.node.crew.healAt, &s.node.crew.endAt} {
		if !at.IsZero() {
			*at = at.Add(late)
		}
	}
	s.observe(health.Missed{For: late})
}

// next returns the first instant at which something is due, or limit if that is
// earlier.
func (s *Supervisor) next(limit time.Time) time.Time {
	next := earlier(limit, s.gate.Deadline())
	if s.node.phase == phaseDown && !s.job.busy() {
		next = earlier(next, s.node.restartAt)
		if s.node.givenUp != nil {
			next = earlier(next, s.node.answered.Add(s.config.Nginx.Repair))
		}
	}
	next = earlier(next, s.node.frozenAt)
	if s.node.phase == phaseRunning {
		next = earlier(next, s.node.crew.endAt)
	}
	if s.node.phase == phaseRunning && !s.job.busy() {
		next = earlier(earlier(next, s.node.retryAt), s.node.crew.healAt)
	}
	return next
}

// earlier returns the earlier of two instants, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tick does what is due.
func (s *Supervisor) tick(now time.Time) {
	if d := s.gate.Deadline(); !d.IsZero() && !now.Before(d) {
		s.observe(health.Tick{})
	}
	if at := s.node.frozenAt; !at.IsZero() && !now.Before(at) {
		s.endFrozen()
	}
	s.followCrew(now)
	if s.node.phase == phaseRunning {
		s.tickRunning(now)
	}
	if s.ending != nil || s.node.phase != phaseDown || s.job.busy() {
		return
	}
	switch {
	case s.node.givenUp != nil && !s.served(now):
		s.end(s.node.givenUp) // nor do orphans serve any more
	case !now.Before(s.node.restartAt):
		s.start()
	}
}

// tickRunning does what is due while a master runs.
func (s *Supervisor) tickRunning(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	switch n := &s.node; {
	case due(n.crew.endAt):
		s.endHung(now)
	case s.job.busy():
	case due(n.crew.healAt):
		s.heal(now)
	case due(n.retryAt):
		s.retry()
	}
}

func (s *Supervisor) signal(sig os.Signal) {
	switch sig {
	case unix.SIGTERM, unix.SIGQUIT, unix.SIGINT: // asksForEnd
		s.log.Info("ending", "signal", sig.String())
		s.end(nil)
	case Leave:
		s.log.Info("leaving", "signal", sig.String())
		s.ending = &ending{leave: true}
	case unix.SIGHUP:
		s.log.Info("reloading", "signal", sig.String())
		s.reloads.ask(false)
	case unix.SIGUSR2:
		s.log.Info("upgrading", "signal", sig.String())
		s.reloads.ask(true)
	case unix.SIGUSR1: // nginx reopens its logs
		if s.node.master == nil {
			return
		}
		if err := s.node.master.Signal(unix.SIGUSR1); err != nil {
			s.log.Warn("logs not reopened", "err", err)
		}
	}
}

// answered takes the result of a probe.
func (s *Supervisor) answered(r health.Result[answer]) {
	if r.Value.stopping && s.node.phase == phaseRunning && !s.replacing.Load() {
		s.log.Info("nginx is being stopped from outside")
		s.ending = &ending{outside: true}
		return
	}
	s.syncCustody()
	s.node.probes.Took = r.Took
	if r.Err == nil {
		s.node.probes.Answered++
		if s.node.nginx.Generation > 0 { // before it somebody else has answered
			s.node.answered = time.Now()
		}
		s.node.frozenAt = time.Time{}
		s.node.nginx.Connections = connections(r.Value.status)
		s.observe(health.ProbeOK{})
		return
	}
	s.node.probes.Failed++
	s.observe(health.ProbeFailed{Err: r.Err})
	if s.gate.Verdict().State == health.Ill && s.node.phase == phaseRunning && s.node.frozenAt.IsZero() {
		s.node.frozenAt = time.Now().Add(frozenLimit)
	}
}

// syncCustody follows, about once a second, what others may have done to nginx:
// reloads, and another program in its place on disk.
func (s *Supervisor) syncCustody() {
	if s.node.phase != phaseRunning || s.job.busy() || s.custody == nil || time.Since(s.node.synced) < time.Second {
		return
	}
	master := s.node.master
	s.do(func(context.Context) func() {
		err := s.custody.Sync(master) // reads /proc, which a master in trouble may hold up
		outdated := master.Outdated()
		return func() {
			s.node.synced, s.node.outdated = time.Now(), outdated
			if err != nil {
				s.log.Debug("custody not compared with nginx", "err", err) // checkCustody tells what comes of it
			}
			s.checkCustody()
		}
	})
}

// observe gives the gate an event and tells the routers what it means.
func (s *Supervisor) observe(ev health.Event) {
	verdict, changed := s.gate.Observe(time.Now(), ev)
	if !changed {
		return
	}
	s.log.Info("health changed", "state", verdict.State.String(), "reason", verdict.Reason)
	s.standings.judge(verdict)
}

// end makes the loop return; the first cause counts.
func (s *Supervisor) end(cause error) {
	if s.ending == nil {
		s.ending = &ending{cause: cause}
	}
}
