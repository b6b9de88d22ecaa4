package supervisor

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/config"
	"ngha/supervisor/control"
	"ngha/supervisor/health"
	"ngha/supervisor/metrics"
	"ngha/supervisor/realtime"
	"ngha/supervisor/reap"
	"ngha/vrrp/lan"
)

// Run runs the node until ctx ends, a signal asks for the end, or nginx is
// stopped from outside (nil then), or until it cannot be run (the error may
// wrap ErrInvalid or ErrGivenUp). When it returns no address is left and, but
// for Leave, no process of nginx. sigs carries the signals of the process:
// SIGTERM, SIGQUIT and SIGINT end it in an orderly way, a second one in haste, a
// third one at once; Leave ends it and leaves nginx; SIGHUP reloads; SIGUSR1
// makes nginx reopen its logs; SIGUSR2 upgrades it; others mean nothing.
func (s *Supervisor) Run(ctx context.Context, sigs <-chan os.Signal) error {
	if s.config.Realtime {
		if s.notRealtime = realtime.Enter(); s.notRealtime != nil {
			s.log.Warn("not real-time", "err", s.notRealtime)
		}
	}
	if err := reap.BecomeSubreaper(); err != nil {
		return err
	}
	defer s.spawn(s.reap)()
	if asked, err := s.preflightUnlessAsked(ctx, sigs); asked || err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.stopServing = s.serve()
	s.stopTelling = s.spawn(s.tellManager)
	s.stopHooks = s.spawn(s.hooks.Run)
	s.draining, s.stopDraining = context.WithCancel(context.Background())
	s.stopRouters = s.startRouters()
	s.stopWatching = s.watch()
	s.observe(health.Tick{}) // the first start begins to count
	s.node.restartAt = time.Now()
	stopPulse := s.spawn(s.pulse)
	defer stopPulse()
	s.loop(ctx, sigs)
	close(s.over)
	return s.shutdown(sigs)
}

// reap frees what others' dead children hold.
func (s *Supervisor) reap(ctx context.Context) {
	if err := s.children.Run(ctx); err != nil {
		s.log.Warn("orphans not reaped", "err", err)
	}
}

// serve answers on the control socket and the metrics port. stop lets what is
// under way end.
func (s *Supervisor) serve() (stop func()) {
	return s.spawn(func(ctx context.Context) {
		var serving sync.WaitGroup
		defer serving.Wait()
		serving.Go(func() {
			if err := (control.Server{Node: s, Logger: s.log}).Serve(ctx, s.control); err != nil {
				s.log.Error("control socket closed", "err", err)
			}
		})
		if s.metrics == nil {
			return
		}
		serving.Go(func() {
			if err := (metrics.Server{Snapshot: s.Status, Logger: s.log}).Serve(ctx, s.metrics); err != nil {
				s.log.Error("metrics endpoint closed", "err", err)
			}
		})
	})
}

// startRouters runs the virtual routers. stop ends their reigns, all at the
// same time, and returns when no address is left.
func (s *Supervisor) startRouters() (stop func()) {
	s.standings.judge(s.gate.Verdict())
	return s.spawn(func(ctx context.Context) {
		following, stop := context.WithCancel(context.WithoutCancel(ctx))
		var follower sync.WaitGroup
		defer follower.Wait()
		defer stop() // after the routers: an orderly end still needs its interface
		if len(s.routers) > 0 {
			follower.Go(func() { s.follow(following) })
		}
		var running sync.WaitGroup
		defer running.Wait()
		for _, v := range s.routers {
			running.Go(func() { v.run(ctx) })
		}
	})
}

// follow follows the interfaces of the virtual routers until ctx ends.
func (s *Supervisor) follow(ctx context.Context) {
	for {
		err := s.network.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		s.log.Error("interfaces are not followed any more, beginning anew", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// watch asks nginx, and the checks, how they are, and looks after nginx's files.
func (s *Supervisor) watch() (stop func()) {
	prober := health.Prober[answer]{Probe: s.ask, Interval: s.config.Health.Interval, Timeout: s.config.Health.Timeout}
	return s.spawn(func(ctx context.Context) {
		var watching sync.WaitGroup
		defer watching.Wait()
		for _, c := range s.config.Checks {
			check := s.check(c)
			watching.Go(func() { check.Run(ctx, s.turns) })
		}
		watching.Go(func() { s.watcher.Run(ctx) })
		watching.Go(func() { s.watchRivals(ctx) })
		prober.Run(ctx, s.answers)
	})
}

// ask is one probe of nginx.
func (s *Supervisor) ask(ctx context.Context) (a answer, err error) {
	master := s.master.Load()
	if master != nil {
		a.stopping = master.Stopping()
	}
	for {
		probe := s.probe.Load()
		switch {
		case probe != nil:
			a.status, err = probe.Check(ctx)
		case master == nil:
			err = errors.New("no master runs")
		}
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		if c := s.coming.Load(); c != nil {
			if moved, there := c.check(ctx); there {
				a.status = moved
				return a, nil
			}
		}
		if s.probe.Load() == probe {
			return a, err
		}
	}
}

// coming is the endpoint of a configuration that is being loaded: at some moment
// the one before is gone, and the news of it under way.
type coming struct{ probe *nginxctl.Probe }

func (c *coming) check(ctx context.Context) (s nginxctl.StubStatus, there bool) {
	if c.probe == nil {
		return s, true // nginx is not asked any more
	}
	s, err := c.probe.Check(ctx)
	return s, err == nil
}

// check makes a configured check one that can be run.
func (s *Supervisor) check(c config.Check) health.Check {
	h := health.Check{Name: c.Name, Interval: c.Interval, Timeout: c.Timeout, Rise: c.Rise, Fall: c.Fall}
	switch {
	case c.ARP.IsValid():
		h.Do = func(ctx context.Context) error { return lan.Probe(ctx, "", c.ARP) }
	case c.HTTP != "":
		h.Do = health.HTTP(c.HTTP)
	case c.Link != "":
		h.Do = health.Link(c.Link)
	default:
		h.Do = health.Exec(c.Exec, s.children)
	}
	return h
}

// spawn runs f beside the loop; stop ends it and returns when it has ended.
func (s *Supervisor) spawn(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
