package supervisor

import (
	"context"
	"errors"
	"fmt"
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
)

// drainLimit is how long workers of an earlier master may go on serving what
// they have.
const drainLimit = time.Minute

// frozenLimit is how long an ill nginx whose master lives may go on without an
// answer before it is ended and started anew.
const frozenLimit = 10 * time.Second

// node is what the loop knows of its nginx.
type node struct {
	phase     phase
	master    *nginxctl.Master // nil unless phaseRunning
	answered  time.Time        // the last good answer to a probe
	restartAt time.Time        // in phaseDown: when to start the next master
	frozenAt  time.Time        // in phaseRunning: when a nginx that does not answer is ended; zero: it answers, or is not ill
	givenUp   error            // the restart budget is spent; nil: it is not, or a start held since
	nginx     status.Nginx     // for the snapshot, as is probes
	probes    status.Probes
}

// start starts a master in a job, after freeing what an earlier one left.
func (s *Supervisor) start() {
	s.node.phase, s.node.restartAt = phaseStarting, time.Time{}
	begun := time.Now()
	waiting := s.reloads.take() // a start reads the configuration anew as well
	s.do(func(ctx context.Context) func() {
		master, probe, err := s.launch(ctx)
		return func() {
			if err != nil {
				s.startFailed(err)
			} else {
				s.startHeld(master, probe)
			}
			s.answer(waiting, begun, err)
		}
	})
}

// launch starts a master and returns when its workers are there. Whatever
// stands in its way is cleared first, but only when the new master's
// configuration holds: until then orphans are better than nothing.
func (s *Supervisor) launch(ctx context.Context) (*nginxctl.Master, *nginxctl.Probe, error) {
	if err := s.nginx.Direct().Test(ctx); err != nil {
		return nil, nil, err
	}
	dump, err := s.nginx.Dump(ctx)
	if err != nil {
		return nil, nil, err
	}
	probe, err := s.probeOf(dump)
	if err != nil {
		return nil, nil, err
	}
	if err := s.clearLeftovers(ctx); err != nil {
		return nil, nil, err
	}
	if err := dump.ClearSockets(); err != nil {
		return nil, nil, err
	}
	master, err := s.nginx.Start(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := master.Warning(); err != nil {
		s.log.Warn("nginx started, but", "err", err)
	}
	if err := s.sessions.write(master.Session()); err != nil {
		s.log.Warn("nginx's session not recorded: it would not be recognised after a crash of ngha", "err", err)
	}
	if err := master.Ready(ctx); err != nil {
		return nil, nil, errors.Join(err, master.Kill())
	}
	return master, probe, nil
}

// clearLeftovers makes the processes of the last session let go of their
// sockets. Those that still serve somebody finish beside the new master.
func (s *Supervisor) clearLeftovers(ctx context.Context) error {
	session, err := s.sessions.read()
	if err != nil || session == 0 {
		return err
	}
	left, err := nginxctl.Leftovers(session)
	if err != nil || len(left) == 0 {
		return err
	}
	s.log.Info("replacing what is left of an earlier nginx", "processes", len(left))
	draining, err := nginxctl.Clear(ctx, left)
	if err != nil || len(draining) == 0 {
		return err
	}
	s.own.Go(func() {
		if err := nginxctl.Drain(s.draining, draining, drainLimit); err != nil {
			s.log.Warn("old workers not ended", "err", err)
		}
	})
	return nil
}

func (s *Supervisor) startHeld(master *nginxctl.Master, probe *nginxctl.Probe) {
	n := &s.node.nginx
	s.node.phase, s.node.master, s.node.givenUp = phaseRunning, master, nil
	s.master.Store(master)
	s.probe.Store(probe)
	n.PID, n.Since = master.PID(), time.Now()
	n.Generation++
	n.Configuration, n.Reason = configurationCurrent, ""
	s.log.Info("nginx started", "pid", n.PID, "generation", n.Generation)
	s.observe(health.MasterStarted{})
}

// startFailed plans the next attempt, unless nothing serves any more.
func (s *Supervisor) startFailed(err error) {
	s.log.Error("nginx not started", "err", reasonOf(err))
	s.node.nginx.Reason = reasonOf(err)
	s.node.nginx.Configuration = configurationStale
	s.planRestart(err)
}

// masterEnded takes the end of the master: a wish, when it exited 0, or a
// crash.
func (s *Supervisor) masterEnded() {
	err, stopped := s.node.master.Err(), s.node.master.Stopping()
	s.forgetMaster(phaseDown)
	if stopped {
		s.log.Info("nginx was stopped from outside")
		s.ending = &ending{outside: true}
		return
	}
	s.log.Error("nginx's master died", "err", err)
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
	s.observe(health.GivenUp{Reason: fmt.Sprintf("nginx did not stay up through %d restarts in %s: %s", s.budget.Limit, s.budget.Window, reasonOf(cause))})
}

// endFrozen ends a nginx that lives and does not answer, and starts it anew.
func (s *Supervisor) endFrozen() {
	if s.job.busy() { // a reload, which waits for the same nginx
		s.job.cancel()
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
