package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Reload has the master load its configuration and waits until workers of the
// new one run: nil, a *RejectedError if nginx went on with the old one, or the
// *ExitError of a master that ended over it. Test first: it says better what is
// wrong with a configuration.
//
// When ctx ends, the reload goes on, and its result is not known. The custody
// that the master was started with is in step with it afterwards.
func (m *Master) Reload(ctx context.Context) error {
	if m.custody != nil {
		defer m.syncCustody()
	}
	var renewed []Process // the master's children, when it was applied
	m.crew.close()
	defer func() { m.crew.open(renewed) }()
	// What was seen may fit a reload as well as a respawn after a crash. To
	// load once more does no harm, and tells.
	const attempts = 4
	for attempt := 1; ; attempt++ {
		v, logs, err := m.reload(ctx)
		if err != nil {
			return err
		}
		switch {
		case v == applied:
			m.noteListening()
			renewed, err = children(m.pid)
			return m.orExit(err)
		case v == rejected && (attempt == attempts || !logs.readable() || len(logs.faults(m.pid)) > 0):
			return &RejectedError{Reason: logs.reason(m.pid)}
		case attempt == attempts:
			return errors.New("reload nginx: its workers end as fast as it starts them")
		}
		// A master that rejects says why. If it did not, the new workers may
		// have crashed before anybody saw them.
	}
}

// reload signals once and watches what comes of it: applied, rejected or
// doubtful, and what the master wrote meanwhile.
func (m *Master) reload(ctx context.Context) (verdict, logMarks, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w, err := m.awaitIdle(ctx, tick)
	if err != nil {
		return doubtful, logMarks{}, err
	}
	logs := markLiveLog(m.pid)
	if err := m.Signal(unix.SIGHUP); err != nil {
		return doubtful, logs, m.orExit(err)
	}
	released := m.custody == nil
	for {
		s, err := m.look()
		if err != nil {
			return doubtful, logs, m.orExit(err)
		}
		v := w.observe(s)
		if !released && w.born != 0 {
			// The old workers accept for 100 ms yet: what the new ones have
			// not is let go while there is somebody to empty its queue.
			m.custody.release(m)
			released = true
		}
		if v == applied && !w.sawLeave && len(logs.faults(m.pid)) > 0 {
			// Nobody saw the old workers leave, and the master complained:
			// they may have crashed.
			v = doubtful
		}
		if v != running {
			return v, logs, nil
		}
		if err := m.pause(ctx, tick); err != nil {
			return doubtful, logs, err
		}
	}
}

// awaitIdle waits until the master takes signals, and notes its children.
func (m *Master) awaitIdle(ctx context.Context, tick *time.Ticker) (*reloadWatch, error) {
	for {
		if idle, err := m.idle(); err == nil && idle {
			if old, err := children(m.pid); err == nil {
				return &reloadWatch{old: old}, nil
			}
		}
		if err := m.pause(ctx, tick); err != nil {
			return nil, err
		}
	}
}

func (m *Master) pause(ctx context.Context, tick *time.Ticker) error {
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("reload nginx: no end in time: %w", context.Cause(ctx))
	case <-tick.C:
		return nil
	}
}

// orExit is for an error that may only be the first sign of the master's end,
// which it then returns instead.
func (m *Master) orExit(err error) error {
	if err == nil {
		return nil
	}
	if s, e := readStat(m.pid); e == nil && s.state != 'Z' {
		return err
	}
	<-m.done
	return m.err
}

// look takes a sample. The children come after the mask: those of an idle
// master are the outcome of its last work.
func (m *Master) look() (sample, error) {
	sig, err := readSignals(m.pid)
	if err != nil {
		return sample{}, err
	}
	procs, err := children(m.pid)
	if err != nil {
		return sample{}, err
	}
	now, err := sinceBoot()
	return sample{now: now, idle: sig.idle(), children: procs}, err
}

func sinceBoot() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
