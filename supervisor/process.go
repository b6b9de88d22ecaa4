package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/health"
	"ngha/supervisor/status"
)

// phase is where nginx's process stands, seen from the loop.
type phase uint8

const (
	phaseDown     phase = iota // no master; one is to be started at node.restartAt
	phaseStarting              // a job starts one
	phaseRunning               // a master runs and was ready
)

// The words of status.Nginx.Configuration.
const (
	configurationUnknown = "unknown"
	configurationCurrent = "current"
	configurationStale   = "stale"
	configurationChanged = "changed"
)

// startLimit bounds a start, from the test of the configuration on: nginx may
// have to look up many names.
const startLimit = 2 * time.Minute

// frozenLimit is how long an ill nginx whose master lives may go on without an
// answer before it is ended and started anew.
const frozenLimit = 10 * time.Second

// node is what the loop knows of its nginx.
type node struct {
	phase        phase
	master       *nginxctl.Master // nil unless phaseRunning
	answered     time.Time        // the last good answer to a probe
	restartAt    time.Time        // in phaseDown: when to start the next master
	frozenAt     time.Time        // in phaseRunning: when a nginx that does not answer is ended; zero: it answers, or is not ill
	givenUp      error            // the restart budget is spent; nil: it is not, or a start held since
	nginx        status.Nginx     // for the snapshot, as is probes
	probes       status.Probes
	uncovered    []string         // listening sockets that are not in custody
	waiting      []string         // ... at which connections wait and nobody accepts
	synced       time.Time        // when custody was last compared with nginx
	fault        error            // of the files, in whose place nginx has the copy; nil: it has the files
	changed      nginxctl.Changed // files that changed and were not tried yet
	tried        nginxctl.Digest  // of files that a reload tried in vain; zero: they have changed since
	crew         crew             // of the master
	outdated     bool             // the master's program has been replaced on disk
	retryAt      time.Time        // in phaseRunning: when to try again what was refused; zero: not at all
	retryPause   time.Duration    // before that
	upgradeFault error            // why the last upgrade was rolled back; nil: it was not
	unkept       string           // why the last good configuration is not kept; "": it is
}

// launched is a master whose workers are there, and what it has loaded.
type launched struct {
	master *nginxctl.Master
	configuration
}

// start starts a master in a job, in place of what an earlier one left.
func (s *Supervisor) start() {
	s.node.phase, s.node.restartAt = phaseStarting, time.Time{}
	begun := time.Now()
	waiting, _ := s.reloads.take() // a start reads the configuration, and the program, anew as well
	s.do(func(ctx context.Context) func() {
		next, err := s.launch(ctx)
		return func() {
			s.watchFiles(next.configuration)
			if err != nil {
				s.startFailed(err)
			} else {
				s.startHeld(next)
				err = next.fault
			}
			s.answer(waiting, begun, err)
			if next.master != nil {
				s.keep(next.configuration)
			}
		}
	})
}

// launch starts a master from what is on disk now, or from the copy of the last
// good configuration.
func (s *Supervisor) launch(ctx context.Context) (launched, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := s.choose(ctx)
	if err != nil {
		return launched{configuration: c}, err
	}
	master, err := s.succeed(ctx, c, nil)
	if err != nil && ctx.Err() == nil && s.disown(err) {
		master, err = s.succeed(ctx, c, nil)
	}
	return launched{master, c}, s.namingOccupants(ctx, c, err)
}

// disown gives the custody up when err says that the wrapper around nginx keeps
// the sockets to itself, and reports whether a start without it may go better.
func (s *Supervisor) disown(err error) bool {
	if _, ok := errors.AsType[*nginxctl.NotInheritedError](err); !ok {
		return false
	}
	s.log.Warn("nginx does not inherit its sockets: a crash of its master will refuse connections for a moment", "err", err)
	if err := s.custody.Close(); err != nil {
		s.log.Warn("custody not closed", "err", err)
	}
	s.custody = nil
	return true
}

func (s *Supervisor) startHeld(next launched) {
	s.adopt(next)
	if next.fault != nil {
		s.log.Error("nginx's configuration is broken: it was started from the copy of the last good one", "err", next.fault)
	}
	if next.fault != nil {
		s.planRetry()
	}
	s.log.Info("nginx started", "pid", next.master.PID(), "generation", s.node.nginx.Generation)
	s.observe(health.MasterStarted{})
}

// adopt makes a master that is ready the node's own.
func (s *Supervisor) adopt(next launched) {
	n := &s.node.nginx
	s.node.phase, s.node.master, s.node.givenUp = phaseRunning, next.master, nil
	s.node.crew, s.node.outdated, s.node.waiting = crew{}, false, nil
	s.master.Store(next.master)
	s.probe.Store(next.probe)
	n.PID, n.Since, n.Version = next.master.PID(), time.Now(), next.dump.Version()
	s.applied(next.fault)
	s.checkCustody()
}

// checkCustody tells, when it changes, which of nginx's sockets a crash would
// take along.
func (s *Supervisor) checkCustody() {
	if s.custody == nil {
		return
	}
	uncovered, why := s.custody.Uncovered()
	if !slices.Equal(uncovered, s.node.uncovered) && len(uncovered) > 0 {
		s.log.Warn("sockets not in custody: a crash of nginx's master would refuse connections there for a moment", "listen", uncovered, "err", why)
	}
	s.node.uncovered = uncovered
	waiting := s.custody.Waiting()
	if len(waiting) > 0 && len(s.node.waiting) == 0 {
		s.log.Error("connections wait and are not accepted: a worker hangs, or all are overloaded", "listen", waiting)
	}
	s.node.waiting = waiting
}

// startFailed plans the next attempt, unless nothing serves any more.
func (s *Supervisor) startFailed(err error) {
	s.log.Error("nginx not started", "err", err)
	s.node.nginx.Reason = err.Error()
	s.node.nginx.Configuration = configurationStale
	s.planRestart(err)
}

// masterEnded takes the end of the master: a wish, when it exited 0, or a
// crash.
func (s *Supervisor) masterEnded() {
	err, stopped := s.node.master.Err(), s.node.master.Stopping()
	s.forgetMaster(phaseDown)
	s.hasten()
	if stopped {
		s.log.Info("nginx was stopped from outside")
		s.ending = &ending{outside: true}
		return
	}
	s.log.Error("nginx's master died", "err", err)
	s.replaceDead(err)
}

// masterLost is for a master that is as good as dead: see endHung.
func (s *Supervisor) masterLost(err error) {
	s.log.Error("nginx's master is replaced", "err", err)
	s.forgetMaster(phaseDown)
	s.replaceDead(err)
}

// replaceDead begins a repair.
func (s *Supervisor) replaceDead(err error) {
	s.observe(health.MasterDied{Err: err})
	s.planRestart(err)
}

// forgetMaster is for a master that has ended, or is being ended.
func (s *Supervisor) forgetMaster(next phase) {
	s.node.phase, s.node.master, s.node.frozenAt = next, nil, time.Time{}
	s.node.nginx.PID = 0
	s.master.Store(nil)
}

// planRestart takes one restart out of the budget. When it is spent, the node
// is ill, and ngha goes on only for as long as somebody still answers.
func (s *Supervisor) planRestart(cause error) {
	pause, left := s.budget.spend(time.Now())
	s.node.phase = phaseDown
	s.node.restartAt = time.Now().Add(pause)
	s.node.nginx.Restarts++
	if left {
		return
	}
	s.node.givenUp = fmt.Errorf("%w: %w", ErrGivenUp, cause)
	if !s.served(time.Now()) {
		s.end(s.node.givenUp)
		return
	}
	s.observe(health.GivenUp{Reason: fmt.Sprintf("nginx did not stay up through %d restarts in %s: %v", s.budget.Limit, s.budget.Window, cause)})
}

// served reports whether somebody has answered for nginx of late: one of ours,
// or an orphan of ours.
func (s *Supervisor) served(now time.Time) bool {
	return now.Sub(s.node.answered) < s.config.Nginx.Repair
}

// endFrozen ends a nginx that lives and does not answer, and starts it anew.
func (s *Supervisor) endFrozen() {
	if s.job.busy() { // a reload, which waits for the same nginx
		s.job.cancel(errors.New("nginx does not answer, and is started anew"))
		s.node.frozenAt = time.Now().Add(100 * time.Millisecond)
		return
	}
	master := s.node.master
	s.log.Error("nginx does not answer: ending it", "pid", master.PID())
	s.forgetMaster(phaseStarting)
	s.observe(health.Reset{Reason: "nginx did not answer and is started anew"})
	s.do(func(ctx context.Context) func() {
		err := master.Stop(ctx, nginxctl.StopOptions{}) // no time to finish: TERM, then KILL
		return func() {
			if err != nil {
				s.log.Warn("frozen nginx not ended cleanly", "err", err)
			}
			s.planRestart(errors.New("it did not answer"))
		}
	})
}
