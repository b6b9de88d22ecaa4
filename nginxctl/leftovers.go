package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Leftovers lists nginx's living processes of an earlier master's session: that
// master if it lives, its workers, the workers' helpers. Workers of a dead
// master go on serving, and hold the listening sockets.
//
// A session id is unique while one of its processes lives and since the
// machine started: who keeps it across our own death keeps the boot id with it.
func Leftovers(session int) ([]Process, error) {
	procs, err := members(session)
	if err != nil {
		return nil, fmt.Errorf("look for processes of session %d: %w", session, err)
	}
	return slices.DeleteFunc(procs, func(p Process) bool {
		return !strings.HasPrefix(p.Title, "nginx:") && !isNginx(p.Title)
	}), nil
}

const (
	// clearLimit is how long a worker may take to close its listening
	// sockets; it is a matter of milliseconds unless it hangs.
	clearLimit = 2 * time.Second
	// settle is how long after its change of title a busy worker is believed
	// to have closed its sockets, which it does next.
	settle = 50 * time.Millisecond
	// drainKill is the time between TERM and KILL.
	drainKill = 5 * time.Second
)

// Retire ends procs in favour of a new master that has inherited their
// listening sockets and is ready. Masters are killed, since one that ends by
// itself removes the pid file and the unix sockets that are its successor's by
// now. Workers are told to quit, and it returns when they accept no more; those
// that still serve somebody, or hang, are returned: see Drain.
func Retire(ctx context.Context, procs []Process) (draining []Process, err error) {
	workers, err := retire(ctx, procs)
	if err != nil {
		return nil, err
	}
	draining, hung, err := awaitClosed(ctx, workers)
	if err != nil {
		return Living(workers), fmt.Errorf("retire old workers: %w", err)
	}
	return append(draining, hung...), nil
}

// Clear takes the listening sockets from procs, so that a new master can bind
// them. It does what Retire does, but returns only when each of the workers has
// ended or accepts no more. Those that hang are killed. Workers that still serve
// go on: see Drain, to which the result goes.
func Clear(ctx context.Context, procs []Process) (draining []Process, err error) {
	workers, err := retire(ctx, procs)
	if err != nil {
		return nil, err
	}
	draining, hung, err := awaitClosed(ctx, workers)
	if err != nil {
		return nil, fmt.Errorf("clear away old workers: %w", err)
	}
	if err := errors.Join(signalAll(hung, unix.SIGKILL), waitAll(ctx, hung)); err != nil {
		return nil, fmt.Errorf("clear away hung workers: %w", err)
	}
	return draining, nil
}

// retire kills the masters of procs and tells the workers to quit, which it
// returns.
func retire(ctx context.Context, procs []Process) (workers []Process, err error) {
	if procs, err = renewed(procs); err != nil {
		return nil, fmt.Errorf("end an old nginx: %w", err)
	}
	masters, workers := split(procs)
	if err := signalAll(masters, unix.SIGKILL); err != nil {
		return nil, fmt.Errorf("end an old nginx: %w", err)
	}
	if err := waitAll(ctx, masters); err != nil {
		return nil, fmt.Errorf("end an old nginx: %w", err)
	}
	// Only now does nobody fork: look again for those that came meanwhile.
	for _, m := range masters {
		late, err := Leftovers(m.Session)
		if err != nil {
			return nil, err
		}
		for _, p := range late {
			if !slices.ContainsFunc(workers, p.same) {
				workers = append(workers, p)
			}
		}
	}
	if err := signalAll(workers, unix.SIGQUIT); err != nil {
		return nil, fmt.Errorf("end old workers: %w", err)
	}
	return workers, nil
}

// renewed are procs as they are now, without those that have ended. What was a
// worker without a title may serve by now.
func renewed(procs []Process) (living []Process, err error) {
	for _, p := range procs {
		now, err := readProcess(p.PID)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !now.same(p) {
			continue
		}
		if err != nil {
			return nil, err
		}
		living = append(living, now)
	}
	return living, nil
}

func split(procs []Process) (masters, others []Process) {
	for _, p := range procs {
		if p.IsWorker() || !p.IsMaster() && strings.HasPrefix(p.Title, "nginx:") {
			others = append(others, p)
		} else {
			masters = append(masters, p) // one that still starts has no title yet
		}
	}
	return masters, others
}

// awaitClosed waits until each of procs has ended or accepts no more, and gives
// up on those that do not within clearLimit.
func awaitClosed(ctx context.Context, procs []Process) (draining, hung []Process, err error) {
	limit := time.NewTimer(clearLimit)
	defer limit.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	since := make(map[int]time.Time) // when a process was first seen shutting down
	for {
		living, err := renewed(procs)
		if err != nil {
			return nil, nil, err
		}
		draining, hung = nil, nil
		for _, p := range living {
			if p.ShuttingDown() && hasClosed(p, since) {
				draining = append(draining, p)
			} else {
				hung = append(hung, p)
			}
		}
		if len(hung) == 0 {
			return draining, nil, nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return draining, hung, nil
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// hasClosed reports whether a worker that is shutting down has come to close
// its listening sockets. It takes its new title just before; when it sleeps
// afterwards, or some time has passed, it has.
func hasClosed(p Process, since map[int]time.Time) bool {
	if since[p.PID].IsZero() {
		since[p.PID] = time.Now()
		return false
	}
	s, err := readStat(p.PID)
	return err != nil || s.state == 'S' || time.Since(since[p.PID]) > settle
}

// Drain waits until procs have ended. After limit they are told by TERM to end,
// and 5 s later killed. When ctx ends they are killed at once. Nothing of them
// lives when it returns nil.
func Drain(ctx context.Context, procs []Process, limit time.Duration) error {
	steps := []struct {
		wait   time.Duration
		signal unix.Signal
	}{{limit, unix.SIGTERM}, {drainKill, unix.SIGKILL}}
	for _, s := range steps {
		wait, cancel := context.WithTimeout(ctx, s.wait)
		err := waitAll(wait, procs)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		if wait.Err() == nil {
			return fmt.Errorf("wait for old workers: %w", err)
		}
		if err := signalAll(procs, s.signal); err != nil {
			return fmt.Errorf("end old workers: %w", err)
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	if err := errors.Join(signalAll(procs, unix.SIGKILL), waitAll(end, procs)); err != nil {
		return fmt.Errorf("end old workers: %w", err)
	}
	return nil
}
