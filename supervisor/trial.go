package supervisor

import (
	"context"
	"fmt"
	"time"

	"ngha/nginxctl"
)

const (
	// trialEvery is the pace of a trial's questions.
	trialEvery = 10 * time.Millisecond
	// trialAnswers and trialFailures are how many of them decide.
	trialAnswers  = 3
	trialFailures = 3
	// trialLimit ends a trial that shows neither a fault nor a proof.
	trialLimit = 5 * time.Second
	// trialWords is how long nginx's words about a crash are waited for.
	trialWords = 500 * time.Millisecond
)

// A trial is what a master must stand before the one that serves is retired for
// it. Both take connections from the same queues meanwhile.
type trial struct {
	probe    *nginxctl.Probe // nil: nginx is not asked
	timeout  time.Duration   // of a question
	accepted uint64          // connections that the old one had accepted before
	least    time.Duration   // how long the new one's workers must live
}

// run tries m, which is ready. Its error is what m did wrong.
func (t trial) run(ctx context.Context, m *nginxctl.Master) error {
	tick := time.NewTicker(trialEvery)
	defer tick.Stop()
	r := trialRun{trial: t, begun: time.Now()}
	for {
		crashed, err := r.crashed(m.Crew())
		if err == nil && !crashed && t.probe != nil {
			err = r.ask(ctx)
		}
		if err != nil {
			return err
		}
		if !crashed && r.passed() {
			return nil
		}
		select {
		case <-m.Done():
			return m.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// trialRun is the state of one run.
type trialRun struct {
	trial
	begun     time.Time
	crashedAt time.Time // when a crash was first seen
	answers   int       // that are the new one's
	failures  int
}

// crashed reports whether a worker crashed, and returns the error once it is
// known why.
func (r *trialRun) crashed(c nginxctl.Crew) (bool, error) {
	now := time.Now()
	switch {
	case c.Crashes == 0:
		return false, nil
	case r.crashedAt.IsZero():
		r.crashedAt = now
	}
	switch {
	case c.Crash != "":
		return true, fmt.Errorf("its workers crash: %s", c.Crash)
	case now.Sub(r.crashedAt) > trialWords:
		return true, fmt.Errorf("%d of its workers crashed", c.Crashes)
	}
	return true, nil
}

// ask asks whoever answers. The old one and the new one each count their own
// connections: who counts fewer than were counted before is the new one.
func (r *trialRun) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.probe.Check(ctx)
	switch {
	case err != nil:
		r.failures++
	case s.Accepted < r.accepted:
		r.answers++
	default:
		r.accepted = s.Accepted
	}
	if r.failures >= trialFailures {
		return fmt.Errorf("its workers do not answer: %w", err)
	}
	return nil
}

func (r *trialRun) passed() bool {
	lived := time.Since(r.begun)
	return lived >= r.least && (r.probe == nil || r.answers >= trialAnswers || lived >= trialLimit)
}
