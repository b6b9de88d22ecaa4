package supervisor

import (
	"context"
	"sync"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/health"
	"ngha/supervisor/notify"
	"ngha/supervisor/status"
)

// reloads are the callers that wait for a reload or an upgrade. Those that come
// while one runs share the next, so that each is told of a run which began after
// it asked. An upgrade reads the configuration anew as well: where one is asked
// for, all share it.
type reloads struct {
	asked chan struct{} // buffered for its one message

	mu      sync.Mutex // guards the rest
	waiting []chan<- status.Reload
	upgrade bool   // one of them waits for an upgrade
	refused string // not empty: why no reload is taken any more
}

// Reload makes nginx read its configuration anew and returns when workers of
// it serve, or with the reason why they do not. Any goroutine may call it. Its
// error is ctx's; a reload once begun goes on without the caller.
func (s *Supervisor) Reload(ctx context.Context) (status.Reload, error) {
	return s.await(ctx, false)
}

// Upgrade puts a new master, of the program that is on disk now, in the place of
// the one that serves, and returns when workers of it serve, or with the reason
// why the old one went on. Any goroutine may call it. Its error is ctx's; an
// upgrade once begun goes on without the caller.
func (s *Supervisor) Upgrade(ctx context.Context) (status.Reload, error) {
	return s.await(ctx, true)
}

func (s *Supervisor) await(ctx context.Context, upgrade bool) (status.Reload, error) {
	done := make(chan status.Reload, 1)
	s.reloads.add(done, upgrade)
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return status.Reload{}, ctx.Err()
	}
}

// ask is for those who wait for no answer: the log tells how it went.
func (r *reloads) ask(upgrade bool) { r.add(make(chan status.Reload, 1), upgrade) }

// add has done told what becomes of the next run. It is buffered for its one
// message.
func (r *reloads) add(done chan<- status.Reload, upgrade bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != "" {
		done <- status.Reload{Reason: r.refused}
		return
	}
	r.waiting = append(r.waiting, done)
	r.upgrade = r.upgrade || upgrade
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// take returns all who wait, and whether one of them wants an upgrade: asked has
// its message while somebody waits.
func (r *reloads) take() (waiting []chan<- status.Reload, upgrade bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting, upgrade = r.waiting, r.upgrade
	r.waiting, r.upgrade = nil, false
	select {
	case <-r.asked:
	default:
	}
	return waiting, upgrade
}

// refuse answers all who wait, and all who come later, with reason.
func (r *reloads) refuse(reason string) {
	r.mu.Lock()
	r.refused = reason
	r.mu.Unlock()
	waiting, _ := r.take()
	answerAll(waiting, status.Reload{Reason: reason})
}

func answerAll(waiting []chan<- status.Reload, r status.Reload) {
	for _, done := range waiting {
		done <- r // buffered: each is answered once
	}
}

// reloadAsked starts a reload. While nginx is down it means to try at once. No
// job runs when it is called.
func (s *Supervisor) reloadAsked() {
	if s.node.phase != phaseRunning {
		s.node.restartAt = time.Now()
		return
	}
	waiting, upgrade := s.reloads.take()
	s.load(loading{waiting: waiting, upgrade: upgrade})
}

// loading is one run: nginx is to load what is on disk.
type loading struct {
	waiting []chan<- status.Reload
	upgrade bool // by a master of the program that is on disk now
	again   bool // nobody asked for it: it may hold by now
	heal    bool // nobody asked for it: by a master that has all its workers
}

// load runs l in a job.
func (s *Supervisor) load(l loading) {
	begun := time.Now()
	s.herald.tell(func(t *tidings) { t.reloads, t.begun, t.loading = t.reloads+1, notify.Now(), true })
	over, copied := s.predecessor(l), s.node.fault != nil
	s.do(func(ctx context.Context) func() {
		tried, unread := s.watcher.Digest(ctx)
		if unread != nil {
			tried = nginxctl.Digest{} // the same change may be told once more
		}
		next, err := s.reload(ctx, over, l.upgrade || l.heal || copied)
		return func() {
			s.replacing.Store(false)
			if err != nil {
				s.node.tried = tried
				s.watcher.Refused()
			}
			s.reloaded(next, err, l)
			s.answer(l.waiting, begun, err)
			if err == nil {
				s.keep(next.configuration)
			}
		}
	})
}

// predecessor is the master that runs, for a job that may replace it.
func (s *Supervisor) predecessor(l loading) predecessor {
	p := predecessor{master: s.node.master, spared: l.upgrade || l.heal}
	if s.gate.Verdict().State == health.Healthy {
		p.trial = &trial{timeout: s.config.Health.Timeout, accepted: s.node.nginx.Connections.Accepted}
		if p.spared {
			p.trial.least = cautiousTrial
		}
	}
	return p
}

const (
	// cautiousTrial is how long workers must live that may have a reason to
	// crash before they are believed in.
	cautiousTrial = time.Second
	// maxLingering is of how many earlier configurations workers may linger
	// when another one is loaded.
	maxLingering = 4
)

// reload has a master load what is on disk. A listener that custody could not
// take from it afterwards is a reason to replace it instead: nobody notices, and
// the next crash is covered too. So is a master that reads the copy.
func (s *Supervisor) reload(ctx context.Context, over predecessor, replace bool) (launched, error) {
	ended, err := over.master.AwaitRoom(ctx, maxLingering, drainLimit)
	if ended > 0 {
		s.log.Warn("old workers ended, since those of too many configurations lingered; nginx's worker_shutdown_timeout would do so earlier", "workers", ended)
	}
	if err != nil {
		return launched{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := s.read(ctx, s.nginx.Direct())
	if err != nil {
		return launched{}, err
	}
	s.coming.Store(&coming{c.probe})
	if !replace && (s.custody == nil || len(s.custody.OutOfReach(ctx, c.dump)) == 0) {
		return launched{over.master, c}, s.namingOccupants(ctx, c, over.master.Reload(ctx))
	}
	s.replacing.Store(true)
	if over.trial != nil {
		over.trial.probe = c.probe
	}
	next, err := s.succeed(ctx, c, &over)
	if err != nil && s.custody != nil {
		s.resume(over.master)
	}
	return launched{next, c}, err
}

// resume brings custody in step again with a master that stays.
func (s *Supervisor) resume(master *nginxctl.Master) {
	if err := s.custody.Sync(master); err != nil {
		s.log.Warn("custody not compared with nginx", "err", err)
	}
}

// reloaded keeps the books of one run.
func (s *Supervisor) reloaded(next launched, err error, l loading) {
	s.coming.Store(nil)
	n := &s.node.nginx
	switch {
	case err == nil:
	case l.heal:
		s.log.Warn("nginx not replaced", "err", err)
		s.node.crew.incurable = err
		return
	case l.again && err.Error() == n.Reason:
		s.planRetry()
		return // as before
	}
	n.Reloads++
	if l.upgrade {
		s.node.upgradeFault = err
	}
	if err != nil {
		n.ReloadsFailed++
		n.Configuration, n.Reason = configurationStale, err.Error()
		s.node.changed = nginxctl.Changed{} // it was tried
		if s.node.fault != nil {
			s.node.fault = err
		}
		s.log.Error("configuration not applied", "err", err)
		s.planRetry()
		return
	}
	if next.master != s.node.master {
		s.adopt(next)
	} else {
		s.probe.Store(next.probe)
		s.applied(nil)
		s.checkCustody()
	}
	s.watchFiles(next.configuration)
	s.log.Info("configuration applied", "generation", n.Generation, "pid", n.PID)
}

// answer tells those who asked for a run what became of it, once the books are
// kept.
func (s *Supervisor) answer(waiting []chan<- status.Reload, begun time.Time, err error) {
	s.publish() // who is answered finds the status as told
	s.herald.tell(func(t *tidings) { t.loading = false })
	n := &s.node.nginx
	answerAll(waiting, status.Reload{Applied: err == nil, Generation: n.Generation, Reason: n.Reason, Took: time.Since(begun)})
}
