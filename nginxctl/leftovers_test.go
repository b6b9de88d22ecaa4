package nginxctl

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// orphans kills the master and returns what it leaves.
func orphans(t *testing.T, m *Master) []Process {
	t.Helper()
	if err := m.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	if e, ok := errors.AsType[*ExitError](m.Err()); !ok || e.Signal != unix.SIGKILL || e.Asked {
		t.Errorf("Err() = %#v", m.Err())
	}
	if m.Stopping() {
		t.Error("a crash is taken for a stop")
	}
	procs, err := Leftovers(m.Session())
	if err != nil {
		t.Fatal(err)
	}
	return procs
}

func restart(t *testing.T, s *nginxtest.Site) *Master {
	t.Helper()
	n, _ := testNginx(t, s.Command())
	d, err := n.Dump(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ClearSockets(); err != nil {
		t.Fatal(err)
	}
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOrphansServeUntilClearedForANewMaster(t *testing.T) {
	c := nginxtest.Config{Node: "old", Listen: []string{nginxtest.FreeAddress(t)}}
	s, m := startSite(t, c)
	answer := download(t, s)
	procs := orphans(t, m)
	if len(procs) != 2 {
		t.Fatalf("leftovers: %v, want two workers", procs)
	}
	if listed := workers(t, m); len(listed) != 2 {
		t.Errorf("workers of the dead master: %v", listed)
	}
	if node, err := s.Node(testContext(t)); err != nil || node != "old" {
		t.Errorf("orphans: %q, %v", node, err)
	}

	draining, err := Clear(testContext(t), procs)
	if err != nil {
		t.Fatal(err)
	}
	awaitOne(t, draining)
	c.Node = "new"
	s.Write(t, c)
	begun := time.Now()
	next := restart(t, s)
	if time.Since(begun) > 400*time.Millisecond {
		t.Logf("the new master took %v", time.Since(begun)) // nginx waits 500 ms where it cannot bind
	}
	if node, err := s.Node(testContext(t)); err != nil || node != "new" {
		t.Errorf("new master: %q, %v", node, err)
	}
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		t.Errorf("the download broke: %v", err)
	}
	if err := Drain(testContext(t), draining, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	allGone(t, m.Session())
	if next.Err() != nil {
		t.Errorf("the new master ended: %v", next.Err())
	}
}

// awaitOne waits until all but one of those that are draining have ended: the one
// with the download.
func awaitOne(t *testing.T, draining []Process) {
	t.Helper()
	nginxtest.Eventually(t, "one with the download", func() bool {
		left := Living(draining)
		return len(left) == 1 && left[0].ShuttingDown()
	})
}

// When the list was made the workers were new, and called as their master is.
func TestRetireLetsWorkersFinishThatHaveComeToServe(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	download(t, s)
	procs := orphans(t, m)
	for i := range procs {
		procs[i].Title = "nginx: master process nginx"
	}
	draining, err := Retire(testContext(t), procs)
	if err != nil {
		t.Fatal(err)
	}
	awaitOne(t, draining)
	if err := signalAll(draining, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestClearTakesALivingMasterAway(t *testing.T) {
	c := nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t)}}
	s, m := startSite(t, c)
	procs, err := Leftovers(m.Session())
	if err != nil {
		t.Fatal(err)
	}
	if len(procs) != 3 {
		t.Fatalf("leftovers: %v, want a master and two workers", procs)
	}
	draining, err := Clear(testContext(t), procs)
	if err != nil {
		t.Fatal(err)
	}
	if err := Drain(testContext(t), draining, time.Minute); err != nil {
		t.Fatal(err)
	}
	allGone(t, m.Session())
	if _, err := os.Stat(s.PID); err != nil {
		t.Errorf("pid file: %v; a killed master leaves it", err)
	}
	restart(t, s)
}

func TestClearKillsFrozenWorkers(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t)}})
	procs := orphans(t, m)
	if err := signalAll(procs, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	draining, err := Clear(testContext(t), procs)
	if err != nil || len(draining) != 0 {
		t.Fatalf("Clear: %v, %v", draining, err)
	}
	allGone(t, m.Session())
	restart(t, s)
}

func TestDrainKillsWhenItsContextEnds(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	download(t, s)
	draining, err := Clear(testContext(t), orphans(t, m))
	if err != nil {
		t.Fatal(err)
	}
	awaitOne(t, draining)
	ctx, cancel := withCancel(t)
	cancel()
	if err := Drain(ctx, draining, time.Hour); err != nil {
		t.Fatal(err)
	}
	allGone(t, m.Session())
}

func TestLeftoversAreOfOneSessionAndNginxOnly(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	_, other := startSite(t, nginxtest.Config{})
	procs, err := Leftovers(m.Session())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if p.Session != m.Session() || p.PID == other.PID() {
			t.Errorf("leftover of another session: %v", p)
		}
	}
	if procs, err := Leftovers(unix.Getpid()); err != nil || len(procs) > 0 {
		t.Errorf("leftovers of no session: %v, %v", procs, err)
	}
	stranger := exec.Command("sleep", "1000")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	session := stranger.Process.Pid
	if procs, err := members(session); err != nil || len(procs) != 1 {
		t.Errorf("session of a stranger: %v, %v", procs, err)
	}
	if procs, err := Leftovers(session); err != nil || len(procs) > 0 {
		t.Errorf("leftovers of a session without nginx: %v, %v", procs, err)
	}
}

func TestARecycledProcessIDIsNotSignalled(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	p, err := readProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p.StartTime-- // somebody before it
	if err := p.signal(unix.SIGKILL); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("signal: %v, want %v", err, os.ErrNotExist)
	}
	if err := waitAll(testContext(t), []Process{p}); err != nil {
		t.Errorf("waitAll: %v, want nil for a process that is gone", err)
	}
	if _, err := readProcess(cmd.Process.Pid); err != nil {
		t.Errorf("the new owner of the id: %v", err)
	}
}

func TestStaleUnixSocketIsRemovedAndALiveOneNamed(t *testing.T) {
	dir, err := os.MkdirTemp("", "ngx")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listen := func(name string, stale bool) string {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if stale {
			l.Close()
		} else {
			t.Cleanup(func() { l.Close() })
		}
		return l.Addr().String()
	}
	stale, live, file := listen("stale", true), listen("live", false), filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d := newDump([]File{{"/n.conf", "http { server { listen unix:" + stale + "; listen unix:" + live + "; listen unix:" + file + "; listen unix:" + dir + "/none; } }"}}, "", "", nil)
	err = d.ClearSockets()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("ClearSockets: %v, want errors for %s and %s", err, live, file)
	}
	if _, err := os.Lstat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stale socket: %v", err)
	}
	for _, kept := range []string{live, file} {
		if _, err := os.Lstat(kept); err != nil {
			t.Error(err)
		}
	}
}
