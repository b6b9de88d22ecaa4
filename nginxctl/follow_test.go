package nginxctl

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// awaitCrew waits until the master's crew is as wanted.
func awaitCrew(t *testing.T, m *Master, what string, ok func(Crew) bool) Crew {
	t.Helper()
	var c Crew
	defer func() {
		if t.Failed() {
			t.Logf("crew: %+v", c)
		}
	}()
	nginxtest.Eventually(t, what, func() bool {
		c = m.Crew()
		return ok(c)
	})
	return c
}

func TestCrewCountsWorkersThatCrash(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	awaitCrew(t, m, "a full crew", func(c Crew) bool { return c.Loads == 1 && c.Workers == 2 && c.Crashes == 0 })
	for n := 1; n <= 4; n++ {
		victim := workers(t, m)[0]
		if err := victim.signal(unix.SIGSEGV); err != nil {
			t.Fatal(err)
		}
		c := awaitCrew(t, m, "a crash, named, and a full crew", func(c Crew) bool {
			return c.Crashes == n && c.Workers == 2 && strings.Contains(c.Crash, " "+strconv.Itoa(victim.PID)+" ")
		})
		if c.Loads != 1 || !strings.Contains(c.Crash, "exited on signal 11") {
			t.Errorf("crew after crash %d: %+v", n, c)
		}
	}
}

// nginx does not replace a worker that gives up, as one does which cannot enter
// its working directory.
func TestCrewTellsThatAWorkerIsMissing(t *testing.T) {
	dir := t.TempDir()
	_, m := startSite(t, nginxtest.Config{Main: "user root; working_directory " + dir + ";"})
	nginxtest.Eventually(t, "two workers at work", func() bool {
		at := 0
		for _, p := range workers(t, m) {
			if p.IsWorker() {
				at++
			}
		}
		return at == 2
	})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := workers(t, m)[0].signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c := awaitCrew(t, m, "a worker missing, and why", func(c Crew) bool {
		return c.Missing == 1 && c.Workers == 1 && strings.Contains(c.Crash, "exited with fatal code 2")
	})
	if c.Loads != 1 || c.Crashes == 0 {
		t.Errorf("crew: %+v, want crashes and no reload", c)
	}
}

// A master that reloads tells the old workers to end whether or not the new ones
// have come to stay.
func TestReloadWhoseWorkersGiveUpIsNoStop(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	download(t, s)
	s.Write(t, nginxtest.Config{Main: "working_directory /nowhere/at/all;"})
	if err := m.Signal(unix.SIGHUP); err != nil { // not by us
		t.Fatal(err)
	}
	// A look may find one of the new workers before it gives up.
	awaitCrew(t, m, "workers missing, why, and one that lingers", func(c Crew) bool {
		if m.Stopping() {
			t.Fatal("the reload is taken for a stop")
		}
		return c.Workers == 0 && c.Missing > 0 && len(c.Lingering) == 1 && c.Lingering[0].Workers == 1 &&
			strings.Contains(c.Crash, "exited with fatal code 2")
	})
	s.Write(t, nginxtest.Config{})
	if err := m.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitCrew(t, m, "the workers of one more load", func(c Crew) bool {
		return c.Loads > 1 && c.Workers > 0 && c.Missing == 0
	})
}

func TestCrewCountsReloadsWhoeverAsksForThem(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	if err := m.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if c := m.Crew(); c.Loads != 2 || c.Workers != 2 || c.Crashes != 0 {
		t.Errorf("crew after a reload: %+v", c)
	}
	select {
	case <-m.CrewChanged():
	default:
		t.Error("the change is not told")
	}
	for n := 3; n <= 5; n++ {
		s.Write(t, nginxtest.Config{Workers: n})
		if err := m.Signal(unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		c := awaitCrew(t, m, "a reload by somebody else", func(c Crew) bool { return c.Loads == n })
		if c.Workers != n || c.Crashes != 0 {
			t.Errorf("crew after %d loads: %+v", n, c)
		}
	}
}

// The follower may have looked before a reload of ours and come to a judgement
// after it.
func TestLookFromBeforeAReloadIsDiscarded(t *testing.T) {
	old, renewed := []Process{child(1, time.Hour, false)}, []Process{child(2, 2*time.Hour, false)}
	r := &roster{changed: make(chan struct{}, 1), crew: newCrew(old)}
	r.publish()
	f := &follower{roster: r}
	l := glance{sample: sample{now: 2 * time.Hour, idle: true, children: old}, before: f.reloads()}
	r.close()
	r.open(renewed)
	soon := f.judge(l)
	if c := *r.shown.Load(); !soon || c.Loads != 2 || c.Workers != 1 || c.Crashes != 0 {
		t.Errorf("crew: %+v, soon again: %v", c, soon)
	}
}

func TestCrewCountsLingeringWorkersByLoad(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	first := download(t, s)
	if err := m.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
	second := download(t, s)
	if err := m.Signal(unix.SIGHUP); err != nil { // not by us
		t.Fatal(err)
	}
	c := awaitCrew(t, m, "two loads that linger", func(c Crew) bool {
		return len(c.Lingering) == 2 && c.Lingering[0].Workers == 1 && c.Lingering[1].Workers == 1
	})
	if c.Loads != 3 || c.Lingering[0].Load != 1 || c.Lingering[1].Load != 2 {
		t.Errorf("crew: %+v", c)
	}
	first.Body.Close()
	c = awaitCrew(t, m, "one load that lingers", func(c Crew) bool { return len(c.Lingering) == 1 })
	if c.Lingering[0].Load != 2 {
		t.Errorf("crew: %+v", c)
	}
	second.Body.Close()
	awaitCrew(t, m, "none that lingers", func(c Crew) bool { return len(c.Lingering) == 0 })
}

func TestStoppedMasterIsAHang(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	if err := m.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := awaitCrew(t, m, "a hang", func(c Crew) bool { return c.Hang != nil })
	if !c.Hang.Stopped {
		t.Errorf("hang: %+v, want one by SIGSTOP", c.Hang)
	}
	if err := m.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	awaitCrew(t, m, "none", func(c Crew) bool { return c.Hang == nil })
}

func TestRoomIsMadeForReloads(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	for range 2 {
		download(t, s)
		if ended, err := m.AwaitRoom(testContext(t), 1, time.Hour); err != nil || ended != 0 {
			t.Fatalf("with room: %d, %v", ended, err)
		}
		if err := m.Reload(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := withCancel(t)
	cancel()
	if _, err := m.AwaitRoom(ctx, 1, 0); err == nil || !errors.Is(err, ctx.Err()) {
		t.Errorf("when it is called off: %v", err)
	}
	awaitCrew(t, m, "two loads of which one worker lingers", func(c Crew) bool {
		return len(c.Lingering) == 2 && c.Lingering[0].Workers == 1 && c.Lingering[1].Workers == 1
	})
	if ended, err := m.AwaitRoom(testContext(t), 1, 0); err != nil || ended != 1 {
		t.Errorf("out of patience: %d, %v, want the worker of the first load ended", ended, err)
	}
	c := awaitCrew(t, m, "room", func(c Crew) bool { return len(c.Lingering) == 1 })
	if c.Lingering[0].Load != 2 {
		t.Errorf("crew: %+v, want the oldest to have gone", c)
	}
}

// Who ends in time is not ended.
func TestRoomIsWaitedFor(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	d := download(t, s)
	if err := m.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
	type room struct {
		ended int
		err   error
	}
	done := make(chan room, 1)
	go func() {
		ended, err := m.AwaitRoom(testContext(t), 0, time.Hour)
		done <- room{ended, err}
	}()
	d.Body.Close()
	if r := <-done; r.err != nil || r.ended != 0 {
		t.Errorf("AwaitRoom: %d ended, %v", r.ended, r.err)
	}
}
