package testenv

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// thread is one operating system thread that runs functions in namespaces of
// its own. It lives until close: a child with Pdeathsig dies with the thread
// that started it, so a thread per call would kill the child at once.
type thread struct {
	calls chan func()
	quit  chan struct{}
	done  chan struct{} // closed when the thread is about to end
	tid   int
}

var (
	errThreadEnded = errors.New("the lab is closed")
	errGoexit      = errors.New("the function ended its goroutine: Fatalf and Skipf must be called outside Do")
)

// startThread starts a thread which has run enter. The caller owns it and
// must close it.
func startThread(enter func() error) (*thread, error) {
	t := &thread{calls: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	entered := make(chan error, 1)
	go t.lock(enter, entered)
	if err := <-entered; err != nil {
		<-t.done
		return nil, err
	}
	return t, nil
}

// lock finds a thread that may be changed. The main thread may not: /proc/self
// and with it /proc/net show its namespaces, whichever thread reads them.
func (t *thread) lock(enter func() error, entered chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		t.run(enter, entered)
		return // still locked: the runtime ends the thread with the goroutine
	}
	other := make(chan struct{})
	go func() { // cannot land here while this thread is locked
		runtime.LockOSThread()
		close(other)
		t.run(enter, entered)
	}()
	<-other
	runtime.UnlockOSThread()
}

func (t *thread) run(enter func() error, entered chan<- error) {
	defer close(t.done)
	t.tid = unix.Gettid()
	err := enter()
	entered <- err
	if err != nil {
		return
	}
	for {
		select {
		case f := <-t.calls:
			f()
		case <-t.quit:
			return
		}
	}
}

// do runs f on the thread and returns its error. Called on the thread itself
// it runs f at once.
func (t *thread) do(f func() error) error {
	if unix.Gettid() == t.tid {
		return f()
	}
	result := make(chan error, 1) // for the one send below
	call := func() {
		err := errGoexit
		defer func() { result <- err }()
		err = f()
	}
	select {
	case t.calls <- call:
		return <-result
	case <-t.done:
		return errThreadEnded
	}
}

// close ends the thread, and with it everything that was started with
// Pdeathsig from it. It returns when the last function has.
func (t *thread) close() {
	close(t.quit)
	<-t.done
}

// space is a network namespace and the thread that lives in it.
type space struct {
	*thread
	ns netns.NsHandle
}

// newSpace makes a network namespace. The caller owns it and must close it.
func newSpace() (*space, error) {
	s := &space{}
	var err error
	s.thread, err = startThread(func() error {
		var err error
		if s.ns, err = netns.New(); err != nil {
			return fmt.Errorf("unshare a network namespace: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// join starts another thread in s's network namespace.
func (s *space) join() (*thread, error) {
	return startThread(func() error { return netns.Set(s.ns) })
}

func (s *space) close() error {
	s.thread.close()
	return s.ns.Close()
}
