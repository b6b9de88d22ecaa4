package supervisor

import "time"

// A configuration that was refused is tried again, since the cause may lie
// outside its files: a name that did not resolve, a port that was taken.
const (
	retryPauseFirst = 5 * time.Second
	retryPauseMost  = time.Minute
)

// planRetry plans the next attempt at what is on disk, each later than the one
// before. Where reloads are left to people, so are retries.
func (s *Supervisor) planRetry() {
	if s.config.Nginx.Manual {
		return
	}
	n := &s.node
	n.retryPause = min(max(2*n.retryPause, retryPauseFirst), retryPauseMost)
	n.retryAt = time.Now().Add(n.retryPause)
}

// forgetRetry is for what is on disk when it is loaded, or another by now.
func (s *Supervisor) forgetRetry() {
	s.node.retryAt, s.node.retryPause = time.Time{}, 0
}

// retry tries what is on disk once more. No job runs when it is called.
func (s *Supervisor) retry() {
	s.node.retryAt = time.Time{}
	s.load(loading{again: true})
}
