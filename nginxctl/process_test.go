package nginxctl

import (
	"os"
	"os/exec"
	"testing"
)

// The kernel may leave a child out of the list when another is reaped while the
// list is read.
func TestChildThatWasLeftOutIsFound(t *testing.T) {
	dead, living := sleeper(t), sleeper(t)
	dead.Process.Kill()
	dead.Wait()
	lists := [][]int{{dead.Process.Pid}, {dead.Process.Pid, living.Process.Pid}, {living.Process.Pid}}
	procs, err := childrenIn(os.Getpid(), func() ([]int, error) {
		next := lists[0]
		lists = lists[1:]
		return next, nil
	})
	if err != nil || len(procs) != 1 || procs[0].PID != living.Process.Pid {
		t.Errorf("children: %v, %v, want %d", procs, err, living.Process.Pid)
	}
	if len(lists) != 0 {
		t.Errorf("%d lists left", len(lists))
	}
}

// One that is dead and not reaped is in nobody's way.
func TestDeadChildIsNoReasonToReadTheListAgain(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if err := waitAll(testContext(t), []Process{{PID: cmd.Process.Pid, StartTime: startTime(t, cmd.Process.Pid)}}); err != nil {
		t.Fatal(err)
	}
	reads := 0
	procs, err := childrenIn(os.Getpid(), func() ([]int, error) {
		reads++
		return []int{cmd.Process.Pid}, nil
	})
	if err != nil || len(procs) != 0 || reads != 1 {
		t.Errorf("children: %v, %v after %d lists, want none after one", procs, err, reads)
	}
}

func startTime(t *testing.T, pid int) uint64 {
	t.Helper()
	s, err := readStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return s.startTime
}
