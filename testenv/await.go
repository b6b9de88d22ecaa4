package testenv

import (
	"fmt"
	"time"
)

const (
	// awaitLimit is how long the lab waits for what must happen. It is far
	// beyond every timer of the daemons, so that only a fault reaches it.
	awaitLimit = 40 * time.Second
	awaitPace  = 5 * time.Millisecond
)

// Await waits until check returns nil. After limit it fails the test with
// check's last error and the logs of every process.
func (l *Lab) Await(what string, limit time.Duration, check func() error) {
	l.t.Helper()
	if err := l.poll(limit, check); err != nil {
		l.t.Fatalf("waited for %s: %v", what, err)
	}
}

func (l *Lab) poll(limit time.Duration, check func() error) error {
	ticker := time.NewTicker(awaitPace)
	defer ticker.Stop()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-l.t.Context().Done():
			return fmt.Errorf("the test was ended: %w", err)
		case <-deadline.C:
			return fmt.Errorf("not within %v: %w", limit, err)
		}
	}
}
