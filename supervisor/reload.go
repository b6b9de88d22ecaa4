package supervisor

import (
	"context"
	"errors"
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

// reloadLimit bounds a reload: nginx may have to look up many names.
const reloadLimit = 2 * time.Minute

// reloadAsked starts a reload. While nginx is down it means to try at once. No
// job runs when it is called.
func (s *Supervisor) reloadAsked() {
	begun := time.Now()
	if s.node.phase != phaseRunning {
		s.node.restartAt = begun
		return
	}
	waiting := s.reloads.take()
	master := s.node.master
	s.do(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, reloadLimit)
		defer cancel()
		err := s.nginx.Direct().Test(ctx)
		var probe *nginxctl.Probe
		if err == nil {
			probe, err = s.findProbe(ctx) // first: without it nginx would seem frozen
		}
		if err == nil {
			err = master.Reload(ctx)
		}
		return func() {
			s.reloaded(probe, err)
			s.answer(waiting, begun, err)
		}
	})
}

// reloaded keeps the books of one reload.
func (s *Supervisor) reloaded(probe *nginxctl.Probe, err error) {
	n := &s.node.nginx
	n.Reloads++
	if err == nil {
		s.probe.Store(probe)
		n.Generation++
		n.Configuration, n.Reason = configurationCurrent, ""
		s.log.Info("configuration applied", "generation", n.Generation)
		return
	}
	n.ReloadsFailed++
	n.Configuration, n.Reason = configurationStale, reasonOf(err)
	s.log.Error("configuration not applied", "err", n.Reason)
}

// answer tells those who asked for a reload what became of it, once the books
// are kept.
func (s *Supervisor) answer(waiting []chan<- status.Reload, begun time.Time, err error) {
	s.publish() // who is answered finds the status as told
	n := &s.node.nginx
	answerAll(waiting, status.Reload{Applied: err == nil, Generation: n.Generation, Reason: n.Reason, Took: time.Since(begun)})
}

// reasonOf is what a person should read of err: nginx's own words where there
// are any.
func reasonOf(err error) string {
	if test, ok := errors.AsType[*nginxctl.TestError](err); ok {
		return test.Output
	}
	return err.Error()
}
