package nginxctl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// runWatcher runs w until the test ends.
func runWatcher(t *testing.T, w *Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func awaitChange(t *testing.T, w *Watcher) Changed {
	t.Helper()
	select {
	case c := <-w.Changes():
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("no change was told")
		panic("unreachable")
	}
}

func TestChunksOfOneWriteAreOneChange(t *testing.T) {
	for range 20 {
		if writeInChunks(t) {
			return
		}
	}
	t.Error("the chunks never came without a pause")
}

// writeInChunks reports whether the chunks came as they should: after a pause
// between them files have settled.
func writeInChunks(t *testing.T) bool {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "")
	w := NewWatcher(nil)
	w.Settle = time.Second
	set := s.set()
	w.Set(set, s.hash(set))
	runWatcher(t, w)

	f, err := os.OpenFile(s.path("conf.d/a.conf"), os.O_WRONLY|os.O_APPEND, 0)
	s.must(err)
	defer f.Close()
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	var last time.Time
	for i := range 10 {
		<-tick.C
		_, err := f.WriteString("# chunk\n")
		s.must(err)
		if i > 0 && time.Since(last) > w.Settle/2 {
			return false
		}
		last = time.Now()
	}
	if got, want := awaitChange(t, w).Digest, s.hash(set).Digest(); got != want {
		t.Errorf("first change told is %s, want the whole %s", got, want)
	}
	s.write("conf.d/b.conf", "")
	if diff := cmp.Diff([]string{s.path("conf.d/b.conf")}, awaitChange(t, w).Paths); diff != "" {
		t.Errorf("second change (-want +got):\n%s", diff)
	}
	return true
}

func TestFilesThatNeverSettleAreToldAllTheSame(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	w := NewWatcher(nil)
	w.Settle, w.Longest = time.Minute, 200*time.Millisecond
	set := s.set()
	w.Set(set, s.hash(set))
	runWatcher(t, w)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		select {
		case <-tick.C:
			s.write("conf.d/a.conf", time.Now().String())
		case <-w.Changes():
			return
		case <-limit:
			t.Fatal("no change was told")
		}
	}
}

func TestChangeWithoutAnEventIsFoundByLooking(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "# nought")
	f, err := os.OpenFile(s.path("conf.d/a.conf"), os.O_RDWR, 0)
	s.must(err)
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, len("# nought"), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	s.must(err)
	defer func() { s.must(unix.Munmap(memory)) }()

	w := NewWatcher(nil)
	w.Settle, w.Rehash = 10*time.Millisecond, 20*time.Millisecond
	set := s.set()
	w.Set(set, s.hash(set))
	runWatcher(t, w)
	s.write("conf.d/b.conf", "")
	awaitChange(t, w) // it runs

	copy(memory, "# mapped") // the kernel tells nobody
	if diff := cmp.Diff([]string{s.path("conf.d/a.conf")}, awaitChange(t, w).Paths); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
}

func TestSetBeginsAnew(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	w := NewWatcher(nil)
	w.Settle = 10 * time.Millisecond
	runWatcher(t, w)
	set := s.set()
	held := s.hash(set)
	w.Set(set, held)
	s.write("conf.d/a.conf", "# one")
	if c := awaitChange(t, w); c.Back || c.Digest == held.Digest() {
		t.Errorf("told %+v", c)
	}
	w.Set(set, s.hash(set))
	s.write("conf.d/a.conf", "# two")
	if diff := cmp.Diff([]string{s.path("conf.d/a.conf")}, awaitChange(t, w).Paths); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
}

// inMountNamespace runs f on a thread with a mount namespace of its own, which
// goes with the thread.
func inMountNamespace(t *testing.T, f func()) {
	t.Helper()
	nginxtest.Require(t)
	done := make(chan struct{})
	go onOtherThread(func() {
		defer close(done)
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			t.Errorf("make mounts private: %v", err)
			return
		}
		f()
	})
	<-done
}

// A container has one file of its host's mounted. What the host writes in place
// is seen; once the host has replaced the file, nothing is, and that is said.
func TestFileMountedAlone(t *testing.T) {
	host, s := newSite(t), newSite(t)
	host.write("site.conf", "# nought")
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "")
	w := NewWatcher(nil)
	w.Settle = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended, running := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		inMountNamespace(t, func() {
			if err := unix.Mount(host.path("site.conf"), s.path("conf.d/a.conf"), "", unix.MS_BIND, ""); err != nil {
				t.Error(err)
				return
			}
			set := s.set()
			w.Set(set, s.hash(set))
			close(running)
			w.Run(ctx)
		})
	}()
	select {
	case <-running:
	case <-ended:
		return
	}
	for _, text := range []string{"# one", "# two"} {
		host.write("site.conf", text)
		if diff := cmp.Diff([]string{s.path("conf.d/a.conf")}, awaitChange(t, w).Paths); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if err := w.Warning(); err != nil {
		t.Errorf("warning before the file was replaced: %v", err)
	}
	host.replace("site.conf", "# three")
	nginxtest.Eventually(t, "a warning", func() bool { return w.Warning() != nil })
	e, ok := errors.AsType[*DetachedError](w.Warning())
	if !ok {
		t.Fatalf("warning %v", w.Warning())
	}
	if diff := cmp.Diff([]string{s.path("conf.d/a.conf")}, e.Paths); diff != "" {
		t.Errorf("detached (-want +got):\n%s", diff)
	}
	cancel()
	<-ended
}

// The same with a folder, which the host removes and makes anew.
func TestFolderMountedAndReplaced(t *testing.T) {
	host, s := newSite(t), newSite(t)
	host.write("conf.d/a.conf", "# nought")
	s.write("nginx.conf", includingConf)
	s.must(os.Mkdir(s.path("conf.d"), 0o755))
	inMountNamespace(t, func() {
		s.must(unix.Mount(host.path("conf.d"), s.path("conf.d"), "", unix.MS_BIND, ""))
		r := s.byHand()
		host.replace("conf.d/a.conf", "# one")
		awaitEvent(t, r)
		if r.settled(testContext(t)); !r.told || r.Warning() != nil {
			t.Errorf("rename inside: told %v, warning %v", r.told, r.Warning())
		}
		host.remove("conf.d")
		host.write("conf.d/a.conf", "# two")
		awaitEvent(t, r)
		r.settled(testContext(t))
		e, ok := errors.AsType[*DetachedError](r.Warning())
		if !ok {
			t.Fatalf("warning %v", r.Warning())
		}
		if diff := cmp.Diff([]string{s.path("conf.d")}, e.Paths); diff != "" {
			t.Errorf("detached (-want +got):\n%s", diff)
		}
	})
}

func TestWatcherLeavesNothingBehind(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "# nought")
	descriptors, goroutines := inotifies(t), runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	w := NewWatcher(nil)
	w.Settle, w.Rehash = time.Millisecond, time.Millisecond
	set := s.set()
	w.Set(set, s.hash(set))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	for i := range 20 {
		s.write("conf.d/a.conf", strings.Repeat("#", i+20))
		awaitChange(t, w)
	}
	cancel()
	<-done
	if got := inotifies(t); got != descriptors {
		t.Errorf("%d inotify descriptors open, %d before", got, descriptors)
	}
	nginxtest.Eventually(t, "its goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
}

func inotifies(t *testing.T) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.Contains(to, "inotify") {
			n++
		}
	}
	return n
}
