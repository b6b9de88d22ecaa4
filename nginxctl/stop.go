package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// StopOptions say how patient Stop is.
type StopOptions struct {
	// Grace is how long nginx may serve to the end what it has, after QUIT.
	// 0: no QUIT, TERM at once.
	Grace time.Duration
	// Terminate is how long it may take after TERM, before all is killed. 0
	// means 2 s: a master kills a hung worker itself a second after TERM.
	Terminate time.Duration
}

func (o StopOptions) withDefaults() StopOptions {
	if o.Terminate == 0 {
		o.Terminate = 2 * time.Second
	}
	return o
}

// Stop ends nginx and returns when it has been reaped and nothing of its
// session lives: QUIT, then TERM, then KILL. When ctx ends it kills at once.
//
// It may be called while another Stop waits, to be less patient than that.
func (m *Master) Stop(ctx context.Context, o StopOptions) error {
	o = o.withDefaults()
	m.asked.Store(true)
	steps := []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGQUIT, o.Grace}, {unix.SIGTERM, o.Terminate}}
	for _, s := range steps {
		if s.wait <= 0 {
			continue
		}
		if err := m.Signal(s.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if m.awaitDone(ctx, s.wait) {
			break
		}
	}
	return m.Kill()
}

// awaitDone reports whether the master ended within d and before ctx.
func (m *Master) awaitDone(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-m.done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// Kill kills the master and all that is left of its session, frozen or not, and
// waits for their end. An error means that a process is stuck in the kernel.
func (m *Master) Kill() error {
	m.asked.Store(true)
	if err := m.Signal(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if !m.awaitDone(context.Background(), killLimit) {
		return fmt.Errorf("end nginx: master %d lives on after KILL", m.pid)
	}
	if err := killSession(m.Session()); err != nil {
		return fmt.Errorf("end nginx: %w", err)
	}
	return nil
}

// ReclaimPIDFile writes the master's process id into d's pid file once more, over
// that of a master which was to replace it and did not: `nginx -s` goes by it.
func (m *Master) ReclaimPIDFile(d *Dump) error {
	path := d.PIDFile()
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(m.pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("restore nginx's pid file: %w", err)
	}
	return nil
}
