package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// AwaitRoom waits for as long as the workers of more than most earlier loads
// linger, so that reloads cannot pile up processes without end. Those of the
// oldest load may finish what they serve until they have lingered for patience;
// then they are told by TERM to end. ended is how many were.
//
// It is to be called before Reload. When ctx ends nobody is harmed.
func (m *Master) AwaitRoom(ctx context.Context, most int, patience time.Duration) (ended int, err error) {
	for {
		oldest, many := m.crew.oldest(most)
		if !many {
			return ended, nil
		}
		wait, cancel := context.WithDeadline(ctx, oldest.since.Add(patience))
		err := waitAll(wait, oldest.procs)
		late := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ended, fmt.Errorf("wait for old workers: %w", context.Cause(ctx))
		case !late:
			return ended, fmt.Errorf("wait for old workers: %w", err)
		default:
			left := Living(oldest.procs)
			if err := Drain(context.WithoutCancel(ctx), left, 0); err != nil {
				return ended, err
			}
			ended += len(left)
		}
		if err := m.crew.recount(m.pid); err != nil {
			return ended, m.orExit(err)
		}
	}
}

// oldest is the earliest load whose workers linger, if more than most do.
func (r *roster) oldest(most int) (cohort, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.crew.gone) <= most {
		return cohort{}, false
	}
	c := r.crew.gone[0]
	c.procs = slices.Clone(c.procs)
	return c, true
}

// recount forgets those of pid's children that have ended.
func (r *roster) recount(pid int) error {
	procs, err := children(pid)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crew.prune(procs)
	return nil
}

// Living are those of procs that have not ended.
func Living(procs []Process) []Process {
	return slices.DeleteFunc(slices.Clone(procs), func(p Process) bool {
		now, err := readProcess(p.PID)
		return errors.Is(err, fs.ErrNotExist) || err == nil && !now.same(p)
	})
}
