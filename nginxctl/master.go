package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Master is a running nginx master process, our child, until Done is closed.
// Its methods may be called from several goroutines; Reload from one at a time.
type Master struct {
	nginx   Nginx
	custody *Custody // nil: none
	cmd     *exec.Cmd
	pid     int
	since   time.Time
	warning error
	grew    logMarks        // error logs as they were before the start
	given   map[uint64]bool // sockets that it was started with, by inode

	asked atomic.Bool // we told it to end
	ready atomic.Bool

	done chan struct{}
	err  *ExitError // set before done is closed

	crew roster

	mu        sync.Mutex
	listening map[uint64]int // descriptors of the listening sockets seen last, by inode: see Stopping
}

// PID is the master's process id.
func (m *Master) PID() int { return m.pid }

// Session is the session id that all of the master's processes share, also
// after its death: see Leftovers. It is worth remembering across our own death.
func (m *Master) Session() int { return m.pid }

// Since is when the master was started.
func (m *Master) Since() time.Time { return m.since }

// Warning is nil, or what was not as it should be at the start and did not
// hinder it: one or more *CapabilityError.
func (m *Master) Warning() error { return m.warning }

// Done is closed when the master has ended and has been reaped. Its workers may
// live on.
func (m *Master) Done() <-chan struct{} { return m.done }

// Err is nil until Done is closed, and then an *ExitError, also for an orderly
// end.
func (m *Master) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// How often /proc is looked at while nginx starts or reloads.
const lookEvery = 3 * time.Millisecond

// Ready waits until the master takes signals and has a worker. It returns the
// *ExitError of a master that ended instead, and *NotInheritedError where its
// wrapper kept the sockets from it.
//
// The custody is in step with the master then. When it did not get ready, the
// custody has let go of what was opened for it alone.
func (m *Master) Ready(ctx context.Context) error {
	return m.ReadyOnTrial(ctx, func(context.Context) error { return nil })
}

// ReadyOnTrial is Ready for a master that is to replace one which serves. trial
// runs when it is ready, and its error means that it is not good enough: the
// custody is then as if it had not got ready, and the master, which lives, is to
// be ended. See ReclaimPIDFile.
func (m *Master) ReadyOnTrial(ctx context.Context, trial func(context.Context) error) error {
	err := m.awaitReady(ctx)
	if err == nil {
		err = trial(ctx)
	}
	if m.custody == nil {
		return err
	}
	if err != nil {
		return errors.Join(err, m.custody.abandon())
	}
	m.syncCustody()
	return nil
}

func (m *Master) awaitReady(ctx context.Context) error {
	var robbed bool
	var deserted time.Time // since when a master that has started its workers has none
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		switch procs, forked := m.started(); {
		case anyWorker(procs):
			if m.ready.CompareAndSwap(false, true) {
				m.noteListening()
				m.follow(procs)
			}
			return nil
		case !forked || slices.ContainsFunc(procs, func(p Process) bool { return !isNoWorker(p) }):
			deserted = time.Time{}
		case deserted.IsZero():
			deserted = time.Now()
		case time.Since(deserted) > desertedLimit:
			return m.noWorkers()
		}
		if p, unruly := m.notExeced(); unruly {
			return fmt.Errorf("wait for nginx: process %v runs nginx and does not become it; a wrapper must end in `exec nginx ...`", p)
		}
		robbed = robbed || m.robbed()
		select {
		case <-m.done:
			if robbed {
				return &NotInheritedError{Err: m.err}
			}
			return m.err
		case <-ctx.Done():
			return m.notReady(ctx)
		case <-tick.C:
		}
	}
}

// started lists the master's children; forked reports whether it has come to
// have all that it wants.
func (m *Master) started() (procs []Process, forked bool) {
	if idle, err := m.idle(); err != nil || !idle {
		return nil, false
	}
	procs, err := children(m.pid)
	return procs, err == nil
}

// desertedLimit is how long a master without a worker is given to have one.
const desertedLimit = time.Second

// noWorkers is for a master whose workers gave up as soon as they were started,
// and which does not start others.
func (m *Master) noWorkers() error {
	why := lastCrash(m.grew.text())
	if why == "" {
		why = m.grew.reason(m.pid)
	}
	return fmt.Errorf("nginx's workers end as soon as they are started: %s", why)
}

func (m *Master) notReady(ctx context.Context) error {
	p, err := readProcess(m.pid)
	if err == nil && !p.IsMaster() {
		return fmt.Errorf("wait for nginx: process %v is no nginx master; a wrapper must end in `exec nginx ...`: %w", p, context.Cause(ctx))
	}
	return fmt.Errorf("wait for nginx's workers: %w", context.Cause(ctx))
}

// notExeced returns the wrapper that has an nginx master for a child.
func (m *Master) notExeced() (wrapper Process, unruly bool) {
	procs, err := children(m.pid)
	if err != nil || !slices.ContainsFunc(procs, Process.IsMaster) {
		return wrapper, false
	}
	// Only now: the workers of an nginx that has just got ready bear its title
	// for a moment.
	wrapper, err = readProcess(m.pid)
	return wrapper, err == nil && !wrapper.IsMaster() && !isNginx(wrapper.Title)
}

func anyWorker(procs []Process) bool {
	for _, p := range procs {
		if p.IsWorker() && !p.ShuttingDown() {
			return true
		}
	}
	return false
}

// Workers lists nginx's processes but for the master, shutting down or not.
// After the master's death it lists the orphans.
func (m *Master) Workers() ([]Process, error) {
	procs, err := children(m.pid)
	if errors.Is(err, fs.ErrNotExist) {
		procs, err = Leftovers(m.Session())
	}
	if err != nil {
		return nil, fmt.Errorf("list nginx's workers: %w", err)
	}
	var workers []Process
	for _, p := range procs {
		if p.PID != m.pid { // by its title a worker that has just been forked is a master, too
			workers = append(workers, p)
		}
	}
	return workers, nil
}

// Signal sends sig to the master. Forwarding USR1 has it reopen its logs; HUP
// is better sent by Reload. A master that has ended is os.ErrProcessDone.
func (m *Master) Signal(sig unix.Signal) error {
	if err := m.cmd.Process.Signal(sig); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return os.ErrProcessDone
		}
		return fmt.Errorf("signal %v to nginx master %d: %w", sig, m.pid, err)
	}
	return nil
}

// Outdated reports whether the program that the master was executed from is no
// longer there: another has taken its place, as after an upgrade of its package.
func (m *Master) Outdated() bool {
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", m.pid))
	return err == nil && strings.HasSuffix(program, " (deleted)")
}

// idle reports whether the master sleeps and takes signals. Its title comes
// first: a shell that has yet to exec nginx looks idle as well, and so does a
// nginx that has yet to block its signals and take the title.
func (m *Master) idle() (bool, error) {
	p, err := readProcess(m.pid)
	if err != nil || !p.IsMaster() {
		return false, err
	}
	s, err := readSignals(m.pid)
	return err == nil && s.idle(), err
}
