// Package reap does the duty of a process that others' orphans fall to: process
// 1 of a container, or a subreaper. Whoever ends there must be waited for, or
// stays a zombie.
//
// To wait for just anyone (wait4 with pid -1) would also take the exit status
// of the children that os/exec has started and is about to wait for. So all of
// ngha's children are started and waited for through one [Children], which
// knows them and waits for strangers alone.
//
// A status is first looked at and left in place (waitid with WNOWAIT). It is
// taken where the process is a stranger. Where it is one of ours, that has
// ended and not been waited for yet, it hides the others behind it; then the
// kernel's list of children is gone through one by one.
package reap

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"ngha/supervisor/realtime"
)

// Exit is the end of a stranger: of a process that ngha did not start itself.
type Exit struct {
	PID    int
	Status syscall.WaitStatus
}

// Children are the processes that ngha has started. Its methods may be called
// from any goroutine.
type Children struct {
	onExit func(Exit)
	swept  chan struct{} // one order for a sweep; buffered for it

	// fork is read-held while a child is started and its pid written down, and
	// write-held during a sweep, to which that child would seem a stranger.
	fork sync.RWMutex

	mu  sync.Mutex
	own map[int]*owner // by pid
}

// owner is whoever waits for a child. Its address tells apart two children
// that had the same pid one after the other.
type owner struct{ pid int }

// New returns an empty set of children. OnExit is told of each stranger that
// was reaped, from the goroutine of Run, and must neither block nor start a
// child; nil ignores them.
func New(onExit func(Exit)) *Children {
	if onExit == nil {
		onExit = func(Exit) {}
	}
	return &Children{
		onExit: onExit,
		swept:  make(chan struct{}, 1),
		own:    make(map[int]*owner),
	}
}

// Start is cmd.Start for a child that Run is to leave alone, and that is not
// real-time although ngha may be. It must be followed by Wait.
func (c *Children) Start(cmd *exec.Cmd) error {
	_, err := c.start(func() (int, error) {
		if err := realtime.Ordinary(cmd.Start); err != nil {
			return 0, err
		}
		_ = exposed(cmd.Process.Pid) // it runs, which is what counts; only of one that has ended can this fail
		return cmd.Process.Pid, nil
	})
	return err
}

// Wait is cmd.Wait for a child started by Start.
func (c *Children) Wait(cmd *exec.Cmd) error {
	var o *owner
	if cmd.Process != nil && cmd.ProcessState == nil { // so the pid is still its own
		c.mu.Lock()
		o = c.own[cmd.Process.Pid]
		c.mu.Unlock()
	}
	err := cmd.Wait()
	c.release(o)
	return err
}

// Own starts a child in any other way: start forks and returns the pid. The
// child's owner waits for it by itself and then calls release, once.
func (c *Children) Own(start func() (pid int, err error)) (release func(), err error) {
	o, err := c.start(start)
	if err != nil {
		return nil, err
	}
	return func() { c.release(o) }, nil
}

func (c *Children) start(start func() (int, error)) (*owner, error) {
	c.fork.RLock()
	defer c.fork.RUnlock()
	pid, err := start()
	if err != nil {
		return nil, err
	}
	o := &owner{pid}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[pid] = o
	return o, nil
}

// release forgets a child that has been waited for. Meanwhile its pid may be a
// stranger's that the last sweep spared, so another one is ordered.
func (c *Children) release(o *owner) {
	if o == nil {
		return
	}
	c.mu.Lock()
	if c.own[o.pid] == o {
		delete(c.own, o.pid)
	}
	c.mu.Unlock()
	select {
	case c.swept <- struct{}{}:
	default: // one is ordered already
	}
}

func (c *Children) owns(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.own[pid]
	return ok
}

// again is how soon a sweep is repeated when one of ours hid strangers from it.
const again = time.Second

// Run reaps strangers until ctx ends, and once more then. What goes wrong in a
// sweep is tried again by the next one; the last one's fault is returned.
func (c *Children) Run(ctx context.Context) error {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	defer signal.Stop(died)
	for {
		hidden, err := c.sweep()
		if ctx.Err() != nil {
			return err
		}
		var retry <-chan time.Time
		if hidden || err != nil {
			retry = time.After(again)
		}
		select {
		case <-ctx.Done():
		case <-died:
		case <-c.swept:
		case <-retry:
		}
	}
}
