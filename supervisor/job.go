package supervisor

import (
	"context"
	"errors"
)

// job is work beside the loop: one at a time.
type job struct {
	cancel context.CancelCauseFunc // nil: none
	ended  chan struct{}
	idle   bool // it may be broken off for what is urgent
}

func (j *job) busy() bool { return j.cancel != nil }

// do runs work beside the loop and then, in the loop, what it returns.
func (s *Supervisor) do(work func(context.Context) (done func())) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	s.job = job{cancel: cancel, ended: ended}
	s.own.Go(func() {
		defer close(ended)
		done := work(ctx)
		s.jobs <- func() { // buffered for its one message
			cancel(nil)
			s.job = job{}
			done()
		}
	})
}

// abandon cancels the job, waits for its end, and takes what it came to.
func (s *Supervisor) abandon() {
	if !s.job.busy() {
		return
	}
	s.job.cancel(errors.New("ngha is ending"))
	<-s.job.ended
	(<-s.jobs)()
}

// hasten breaks a job off that is not urgent.
func (s *Supervisor) hasten() {
	if s.job.busy() && s.job.idle {
		s.job.cancel(nil)
	}
}
