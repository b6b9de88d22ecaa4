package realtime

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What Enter does is done for good, so that a process of its own is tried.
func TestMain(m *testing.M) {
	if os.Getenv("NGHA_TEST_REALTIME") == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1":
		t.Fatal("root is missing")
	default:
		t.Skip("root is missing")
	}
}

func TestThreadsAreRealTimeAndChildrenAreNot(t *testing.T) {
	needRoot(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "NGHA_TEST_REALTIME=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func child() error {
	if err := Enter(); err != nil {
		return err
	}
	// Threads that come later are real-time, too.
	var blocked [2]int
	if err := unix.Pipe(blocked[:]); err != nil {
		return err
	}
	for range 2 * runtime.NumCPU() {
		go unix.Read(blocked[0], make([]byte, 1)) // takes a thread
	}
	started := func() (string, error) {
		var out strings.Builder
		cmd := exec.Command("cat", "/proc/self/stat", "/proc/self/status")
		cmd.Stdout = &out
		if err := Ordinary(cmd.Start); err != nil {
			return "", err
		}
		err := cmd.Wait()
		return out.String(), err
	}
	text, err := started()
	if err != nil {
		return err
	}
	if p, err := policy(text); err != nil || p != unix.SCHED_NORMAL {
		return errors.Join(err, errors.New("the child's policy is "+strconv.Itoa(p)))
	}
	if !strings.Contains(text, "VmLck:\t       0 kB") {
		return errors.New("the child's memory is locked: " + text)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	if len(tasks) < 2*runtime.NumCPU() {
		return errors.New("too few threads: " + strconv.Itoa(len(tasks)))
	}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			return err
		}
		if p, err := policy(string(text)); err != nil || p != unix.SCHED_RR {
			return errors.Join(err, errors.New("a thread's policy is "+strconv.Itoa(p)))
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	if strings.Contains(string(status), "VmLck:\t       0 kB") {
		return errors.New("no memory is locked")
	}
	return nil
}

// policy is field 41 of /proc/PID/stat.
func policy(stat string) (int, error) {
	_, rest, _ := strings.Cut(stat, ") ")
	f := strings.Fields(rest)
	if len(f) < 39 {
		return 0, errors.New("short: " + stat)
	}
	return strconv.Atoi(f[38])
}

func TestFailureSaysWhatIsWanted(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("setpriv", "--bounding-set=-sys_nice,-ipc_lock", "--inh-caps=-all", os.Args[0])
	cmd.Env = append(os.Environ(), "NGHA_TEST_REALTIME=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "CAP_SYS_NICE") {
		t.Errorf("%v: %s; want what is missing", err, out)
	}
}
