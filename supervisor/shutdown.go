package supervisor

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl"
)

// ending is why the loop returned.
type ending struct {
	cause   error // nil: an orderly wish
	outside bool  // nginx itself was told to stop, by somebody else
	leave   bool  // nginx goes on, for the next ngha
}

// reserves are what is kept back of a shutdown budget: for nginx after its
// grace has ended, and for the hooks.
func reserves(budget time.Duration) (terminate, hooks time.Duration) {
	return min(2*time.Second, budget/4), min(time.Second, budget/4)
}

// shutdown ends the node. The order is the point: the address goes first,
// since nginx accepts nobody once it has been asked to quit, and who watches
// from outside can watch to the end.
func (s *Supervisor) shutdown(sigs <-chan os.Signal) error {
	begun := time.Now()
	end := begun.Add(s.config.Nginx.Shutdown)
	terminate, forHooks := reserves(s.config.Nginx.Shutdown)
	if s.ending.cause != nil {
		s.log.Error("ending", "err", s.ending.cause)
	}

	s.herald.tell(func(t *tidings) { t.ending, t.patient = true, s.ending.outside })
	s.reloads.refuse("ngha is ending")
	s.stopWatching()
	s.abandon()
	master := s.node.master
	if s.ending.leave {
		return s.leave(forHooks)
	}
	stopHurry := s.spawn(func(ctx context.Context) { s.hurry(ctx, sigs, master, terminate) })

	if s.ending.outside || master == nil { // nobody is accepted any more: nothing to wait for
		s.standings.leave()
		s.closeCustody()
	}
	s.stopRouters()
	s.closeCustody() // who connects from now on is refused, and not left to wait

	err := s.stopNginx(end.Add(-terminate-forHooks), terminate)
	s.stopDraining()
	s.publish()

	s.finishHooks(later(end, time.Now().Add(forHooks)))
	stopHurry()
	s.stopTelling()
	s.stopServing()
	s.own.Wait()
	s.log.Info("ended", "took", time.Since(begun).Round(time.Millisecond).String())
	return errors.Join(s.ending.cause, err)
}

// leave ends all but nginx and the workers that finish what they serve. The
// routers end as ever: who restarts a node need not make its clients wait.
func (s *Supervisor) leave(forHooks time.Duration) error {
	if s.node.master == nil { // nobody is accepted: nothing to wait for
		s.standings.leave()
	}
	s.stopRouters()
	s.rememberRetired()
	if s.custody != nil {
		s.custody.Leave()
	}
	s.publish()
	s.finishHooks(time.Now().Add(forHooks))
	s.stopTelling()
	s.stopServing()
	s.log.Info("ended, and left nginx to the next ngha")
	return nil
}

// finishHooks lets hooks run for the last state, and ends them.
func (s *Supervisor) finishHooks(by time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	if err := s.hooks.Drain(ctx); err != nil {
		s.log.Warn("hooks not finished", "err", err)
	}
	s.stopHooks()
}

func (s *Supervisor) closeCustody() {
	if s.custody == nil {
		return
	}
	if err := s.custody.Close(); err != nil {
		s.log.Warn("sockets not closed", "err", err)
	}
}

// stopNginx ends nginx, which may finish what it serves until grace. One that
// was stopped from outside may take all the time it wants. terminate is how long
// the others have after TERM.
func (s *Supervisor) stopNginx(grace time.Time, terminate time.Duration) error {
	master := s.node.master
	if master == nil {
		return s.stopLeftovers(grace.Add(terminate))
	}
	if s.ending.outside {
		<-master.Done() // or hurry ends it
		return nil
	}
	err := master.Stop(context.Background(), nginxctl.StopOptions{
		Grace:     time.Until(grace),
		Terminate: terminate,
	})
	s.node.nginx.PID = 0
	return err
}

// stopLeftovers ends the workers that a dead master left: TERM, and KILL by the
// time given.
func (s *Supervisor) stopLeftovers(by time.Time) error {
	_, left, err := s.sessions.leftovers()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	return nginxctl.Drain(ctx, left, 0)
}

// hurry hears the signals of a shutdown: the first one more that asks for an
// end takes nginx's grace away, every later one kills it.
func (s *Supervisor) hurry(ctx context.Context, sigs <-chan os.Signal, master *nginxctl.Master, terminate time.Duration) {
	patient := true
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-sigs:
			if !asksForEnd(sig) || master == nil {
				continue
			}
		}
		if patient {
			patient = false
			s.log.Warn("ending nginx without grace")
			s.own.Go(func() {
				if err := master.Stop(ctx, nginxctl.StopOptions{Terminate: terminate}); err != nil {
					s.log.Warn("nginx not terminated", "err", err)
				}
			})
			continue
		}
		s.log.Warn("killing nginx")
		if err := master.Kill(); err != nil {
			s.log.Warn("nginx not killed", "err", err)
		}
	}
}

func asksForEnd(sig os.Signal) bool {
	return sig == unix.SIGTERM || sig == unix.SIGQUIT || sig == unix.SIGINT
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
