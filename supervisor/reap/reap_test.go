package reap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// reaper is a running Children and what it has told of strangers.
type reaper struct {
	*Children
	exits chan Exit
}

// start makes this process a subreaper and runs a Children until t ends.
func start(t *testing.T) reaper {
	t.Helper()
	if err := BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	r := reaper{exits: make(chan Exit, 1000)}
	r.Children = New(func(e Exit) { r.exits <- e })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// await returns the next n strangers.
func (r reaper) await(t *testing.T, n int) []Exit {
	t.Helper()
	var got []Exit
	limit := time.After(30 * time.Second)
	for len(got) < n {
		select {
		case e := <-r.exits:
			got = append(got, e)
		case <-limit:
			t.Fatalf("%d strangers reaped, want %d", len(got), n)
		}
	}
	return got
}

// exitCode is the exit status that err tells of; -1 for another error.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// noChildren fails t when this process has children left, zombies included.
func noChildren(t *testing.T, c *Children) {
	t.Helper()
	if left, err := c.Strangers(); err != nil || len(left) > 0 {
		t.Errorf("children left: %v, %v", left, err)
	}
}

func TestReapsStrangersAndLeavesOwnChildrenTheirStatus(t *testing.T) {
	const total, abreast = 200, 8
	r := start(t)
	var wg sync.WaitGroup
	turns := make(chan struct{}, abreast)
	for range total {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			cmd := exec.Command("sh", "-c", "(sleep .02; exit 3)& exit 7")
			err := r.Start(cmd)
			if err == nil {
				err = r.Wait(cmd)
			}
			if code := exitCode(err); code != 7 {
				t.Errorf("own child: %v, want exit status 7", err)
			}
		})
	}
	wg.Wait()
	for _, e := range r.await(t, total) {
		if e.Status.ExitStatus() != 3 {
			t.Errorf("stranger %d: exit status %d, want 3", e.PID, e.Status.ExitStatus())
		}
	}
	noChildren(t, r.Children)
}

// TestAsProcessOne runs the test above as process 1 of a namespace, where
// nothing need be asked for to get orphans.
func TestAsProcessOne(t *testing.T) {
	if os.Getpid() == 1 {
		t.Skip("this is it")
	}
	if os.Geteuid() != 0 && os.Getenv("NGHA_REQUIRE_ROOT_TESTS") != "1" {
		t.Skip("wants root, for a namespace")
	}
	cmd := exec.Command("sh", "-c", `mount --make-rprivate / && mount -t proc proc /proc && exec "$0" "$@"`,
		os.Args[0], "-test.run=^TestReapsStrangers", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestReapsStrangers") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestOwnChildThatEndedBeforeWaitHidesNobody(t *testing.T) {
	r := start(t)
	early := exec.Command("sh", "-c", "exit 5")
	if err := r.Start(early); err != nil {
		t.Fatal(err)
	}
	awaitZombie(t, early.Process.Pid)

	const orphans = 3
	cmd := exec.Command("sh", "-c", strings.Repeat("sh -c 'exit 4' & ", orphans)+"exit 0")
	if err := r.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(cmd); err != nil {
		t.Errorf("parent of the orphans: %v", err)
	}
	for _, e := range r.await(t, orphans) {
		if e.Status.ExitStatus() != 4 {
			t.Errorf("stranger %d: exit status %d, want 4", e.PID, e.Status.ExitStatus())
		}
	}
	if code := exitCode(r.Wait(early)); code != 5 {
		t.Errorf("the child that ended early: exit status %d, want 5", code)
	}
	noChildren(t, r.Children)
}

// awaitZombie returns when pid has ended and can be waited for.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

func TestTellsHowAStrangerWasKilled(t *testing.T) {
	r := start(t)
	out, err := os.CreateTemp(t.TempDir(), "pid")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", "sleep 60 >/dev/null & echo $!")
	cmd.Stdout = out
	if err := r.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(cmd); err != nil {
		t.Fatal(err)
	}
	strangers, err := r.Strangers()
	if err != nil || len(strangers) != 1 {
		t.Fatalf("Strangers = %v, %v, want the one orphan", strangers, err)
	}
	var printed int
	if b, err := os.ReadFile(out.Name()); err != nil {
		t.Fatal(err)
	} else if _, err := fmt.Sscan(string(b), &printed); err != nil || printed != strangers[0] {
		t.Fatalf("stranger %d, want %d (%v)", strangers[0], printed, err)
	}
	if err := syscall.Kill(strangers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := r.await(t, 1)[0]
	if e.PID != strangers[0] || !e.Status.Signaled() || e.Status.Signal() != syscall.SIGKILL {
		t.Errorf("exit %+v, want %d killed by SIGKILL", e, strangers[0])
	}
}

func TestOwnForAnyOtherWayToStart(t *testing.T) {
	r := start(t)
	var pid int
	release, err := r.Own(func() (int, error) {
		var err error
		pid, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 6"}, &syscall.ProcAttr{Env: os.Environ()})
		return pid, err
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitZombie(t, pid)
	if hidden, err := r.sweep(); err != nil || !hidden {
		t.Errorf("sweep = %t, %v, want that our child was seen and left", hidden, err)
	}
	e, ok := reap(pid)
	release()
	if !ok || e.Status.ExitStatus() != 6 {
		t.Errorf("our own wait: %+v, %t, want exit status 6", e, ok)
	}
}

func TestStartPassesOnTheError(t *testing.T) {
	c := New(nil)
	if err := c.Start(exec.Command("/nonexistent/program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that there is no such program", err)
	}
	if diff := cmp.Diff(0, len(c.own)); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
}

func TestWaitTwiceIsAnErrorAndNothingElse(t *testing.T) {
	c := New(nil)
	cmd := exec.Command("true")
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(cmd); err != nil {
		t.Fatal(err)
	}
	// By now its pid may be that of another child of ours.
	other, err := c.Own(func() (int, error) { return cmd.Process.Pid, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(cmd); err == nil {
		t.Error("no error")
	}
	if !c.owns(cmd.Process.Pid) {
		t.Error("the second Wait released another child")
	}
	other()
}

// A pid can be given to a new child of ours between the old one's wait and its
// release, which must not release the new one.
func TestReleaseSparesALaterChildOfTheSamePID(t *testing.T) {
	c := New(nil)
	start := func() (int, error) { return 1 << 22, nil }
	first, err := c.Own(start)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Own(start)
	if err != nil {
		t.Fatal(err)
	}
	first()
	if !c.owns(1 << 22) {
		t.Error("the release of the first child released the second")
	}
	second()
	if c.owns(1 << 22) {
		t.Error("still owned after its own release")
	}
}

// A child is ours from the instant of its birth, whichever thread sees it end.
func TestStartIsNeverSweptInBetween(t *testing.T) {
	r := start(t)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range 50 {
				cmd := exec.Command("true")
				err := r.Start(cmd)
				if err == nil {
					err = r.Wait(cmd)
				}
				if err != nil {
					t.Errorf("own child: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
