package supervisor

import (
	"context"
	"sync"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/status"
)

// reloads are the callers that wait for a reload. Those that come while one
// runs share the next, so that each is told of a run which began after it
// asked.
type reloads struct {
	asked chan struct{} // buffered for its one message

	mu      sync.Mutex // guards the rest
	waiting []chan<- status.Reload
	refused string // not empty: why no reload is taken any more
}

// Reload makes nginx read its configuration anew and returns when workers of
// it serve, or with the reason why they do not. Any goroutine may call it. Its
// error is ctx's; a reload once begun goes on without the caller.
func (s *Supervisor) Reload(ctx context.Context) (status.Reload, error) {
	done := make(chan status.Reload, 1)
	s.reloads.add(done)
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return status.Reload{}, ctx.Err()
	}
}

func (r *reloads) add(done chan<- status.Reload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != "" {
		done <- status.Reload{Reason: r.refused}
		return
	}
	r.waiting = append(r.waiting, done)
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// take returns all who wait: asked has its message while somebody does.
func (r *reloads) take() []chan<- status.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.waiting
	r.waiting = nil
	select {
	case <-r.asked:
	default:
	}
	return waiting
}

// refuse answers all who wait, and all who come later, with reason.
func (r *reloads) refuse(reason string) {
	r.mu.Lock()
	r.refused = reason
	r.mu.Unlock()
	answerAll(r.take(), status.Reload{Reason: reason})
}

func answerAll(waiting []chan<- status.Reload, r status.Reload) {
	for _, done := range waiting {
		done <- r // buffered: each is answered once
	}
}

// reloadAsked starts a reload. While nginx is down it means to try at once. No
// job runs when it is called.
func (s *Supervisor) reloadAsked() {
	begun := time.Now()
	if s.node.phase != phaseRunning {
		s.node.restartAt = begun
		return
	}
	waiting := s.reloads.take()
	master, copied := s.node.master, s.node.fault != nil
	s.do(func(ctx context.Context) func() {
		next, err := s.reload(ctx, master, copied)
		return func() {
			s.replacing.Store(false)
			s.reloaded(next, err)
			s.answer(waiting, begun, err)
			if err == nil {
				s.keep(next.configuration)
			}
		}
	})
}

// reload has master load what is on disk. A listener that custody could not
// take from it afterwards is a reason to replace master instead: nobody notices,
// and the next crash is covered too. So is a master that reads the copy.
func (s *Supervisor) reload(ctx context.Context, master *nginxctl.Master, copied bool) (launched, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := s.read(ctx, s.nginx.Direct())
	if err != nil {
		return launched{}, err
	}
	if copied || s.custody != nil && len(s.custody.OutOfReach(ctx, c.dump)) > 0 {
		s.replacing.Store(true)
		next, err := s.succeed(ctx, c)
		return launched{next, c}, err
	}
	return launched{master, c}, master.Reload(ctx)
}

// reloaded keeps the books of one reload.
func (s *Supervisor) reloaded(next launched, err error) {
	n := &s.node.nginx
	n.Reloads++
	switch {
	case err != nil:
		n.ReloadsFailed++
		n.Configuration, n.Reason = configurationStale, err.Error()
		s.node.changed = nginxctl.Changed{} // it was tried
		if s.node.fault != nil {
			s.node.fault = err
		}
		s.log.Error("configuration not applied", "err", err)
		return
	case next.master != s.node.master:
		s.adopt(next)
	default:
		s.probe.Store(next.probe)
		s.applied(nil)
		s.checkCustody()
	}
	s.watchFiles(next.configuration)
	s.log.Info("configuration applied", "generation", n.Generation)
}

// answer tells those who asked for a reload what became of it, once the books
// are kept.
func (s *Supervisor) answer(waiting []chan<- status.Reload, begun time.Time, err error) {
	s.publish() // who is answered finds the status as told
	n := &s.node.nginx
	answerAll(waiting, status.Reload{Applied: err == nil, Generation: n.Generation, Reason: n.Reason, Took: time.Since(begun)})
}
