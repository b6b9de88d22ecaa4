package supervisor_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor/status"
)

// stream makes a new connection every few milliseconds until it is stopped, at the
// end of the test at the latest, and counts the requests that failed.
func (r *run) stream() (stop func() (requests, failed int64)) {
	var requests, failed atomic.Int64
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(3 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-end:
				return
			case <-pace.C:
			}
			requests.Add(1)
			if err := r.get(); err != nil {
				failed.Add(1)
				r.t.Logf("request %d: %v", requests.Load(), err)
			}
		}
	}()
	stop = sync.OnceValues(func() (int64, int64) {
		close(end)
		<-done
		return requests.Load(), failed.Load()
	})
	r.t.Cleanup(func() { stop() })
	return stop
}

func TestNoConnectionIsLostWhenTheMasterDies(t *testing.T) {
	r := prepare(t)
	r.start()
	first := r.awaitHealthy().Nginx.PID
	stop := r.stream()
	for range 3 {
		pid := r.awaitHealthy().Nginx.PID
		kill(t, unix.SIGKILL, pid)
		r.await("replaced", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != pid && s.Nginx.PID != 0 })
	}
	requests, failed := stop()
	if failed != 0 || requests == 0 {
		t.Errorf("%d of %d requests failed while master %d and two successors were killed", failed, requests, first)
	}
}

func TestNoConnectionIsRefusedWhenAllOfNginxDies(t *testing.T) {
	r := prepare(t)
	r.start()
	pid := r.awaitHealthy().Nginx.PID
	stop := r.stream()
	r.killAll()
	r.await("replaced", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != pid && s.Nginx.PID != 0 })
	// One request at a time: only one can have been with a worker.
	if requests, failed := stop(); failed > 1 {
		t.Errorf("%d of %d requests failed, want only the one in flight", failed, requests)
	}
}
