package testenv

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMachineIsANodeOfItsOwn(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	lab.Bridge("lan").Attach(a)
	out, err := a.Run("sh", "-c", "cat /proc/sys/kernel/hostname; ls /run; ls /sys/class/net; echo x >/run/mine")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := strings.Fields(out), []string{"a", "ngha", "nginx", "eth0", "lo"}; !slices.Equal(got, want) {
		t.Errorf("hostname, /run and interfaces are %q, want %q", got, want)
	}
	if _, err := os.Stat("/run/mine"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in the node's /run showed outside: %v", err)
	}
	if out, err := a.Run("ls", "/run/mine"); err != nil {
		t.Errorf("the next process of the host has another /run: %s", out)
	}
}

// orphans is a program whose child outlives it: it prints "ready" and waits.
const orphans = "(trap '' TERM; exec sleep infinity) & echo ready; wait"

func awaitOutput(t *testing.T, p *Process, want string) {
	t.Helper()
	eventually(t, p.Name()+" to write "+want, func() error {
		if log := p.Log(); !strings.Contains(log, want) {
			return fmt.Errorf("it wrote %q", log)
		}
		return nil
	})
}

func TestContainerDiesWithItsFirstProcess(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	p := a.StartContainer(exec.Command("sh", "-c", orphans))
	awaitOutput(t, p, "ready")
	m := a.machines[0]
	awaitAll(t, m, 2)
	p.Signal(unix.SIGKILL)
	p.AwaitExit()
	if got := all(t, m); len(got) != 0 {
		t.Errorf("processes %v outlived their PID 1", got)
	}
}

func TestOrphansOutliveAProcessUnderInit(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	base := awaitAll(t, a.ownMachine(), 2)
	p := a.Start(exec.Command("sh", "-c", orphans))
	awaitOutput(t, p, "ready")
	orphan := slices.DeleteFunc(awaitAll(t, a.own, 4), func(pid int) bool { return pid == p.PID() || slices.Contains(base, pid) })
	p.Signal(unix.SIGKILL)
	p.AwaitExit()
	if err := gone(orphan); err == nil {
		t.Error("the orphan died with its parent")
	}
	if err := orphan.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the init to reap the orphan", func() error { return gone(orphan) })
}

func all(t TB, m *machine) PIDs {
	t.Helper()
	pids, err := m.pids(func(int) bool { return true })
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	return pids
}

// awaitAll waits until the machine has so many processes, and lists them. An init
// and what it waits for are two, and so are the orphans' parent and the orphan.
func awaitAll(t TB, m *machine, n int) (pids PIDs) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d processes", n), func() error {
		if pids = all(t, m); len(pids) != n {
			return fmt.Errorf("there are %v", pids)
		}
		return nil
	})
	return pids
}

func TestNothingOutlivesALab(t *testing.T) {
	New(t) // skips where there can be none
	var before []string
	eventually(t, "earlier labs to be gone", func() error {
		if before = netNamespaces(t); len(before) > 1 {
			return fmt.Errorf("network namespaces %v", before)
		}
		return nil
	})
	var pids PIDs
	t.Run("lab", func(t *testing.T) {
		lab := New(t)
		lan := lab.Bridge("lan")
		a := lab.Host("a")
		link := lan.Attach(a, "198.51.100.1/24")
		lan.Capture()
		link.ProbeARP("198.51.100.9", 10*time.Millisecond)
		a.ProbeHTTP("http://198.51.100.9/", 10*time.Millisecond)
		frozen := a.Start(exec.Command("sleep", "infinity"))
		frozen.Signal(unix.SIGSTOP)
		a.StartContainer(exec.Command("sh", "-c", orphans))
		pids = slices.Concat(awaitAll(t, a.own, 3), awaitAll(t, a.machines[1], 2))
		if during := netNamespaces(t); len(during) != len(before)+2 {
			t.Errorf("network namespaces %v, before the lab %v: want two more", during, before)
		}
	})
	eventually(t, "the processes to be gone", func() error { return gone(pids) })
	eventually(t, "the namespaces to be gone", func() error {
		if after := netNamespaces(t); !slices.Equal(after, before) {
			return fmt.Errorf("network namespaces %v, before %v", after, before)
		}
		return nil
	})
}

func gone(pids PIDs) error {
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("process %d is there (%v)", pid, err)
		}
	}
	return nil
}

// netNamespaces lists the network namespaces that any thread of this process
// is in.
func netNamespaces(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if ns, err := os.Readlink(path); err == nil { // the thread may have ended
			found = append(found, ns)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

const crashVariable = "TESTENV_CRASH"

// TestMain becomes the process that TestCrashedTestLeavesNothing kills.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(crashVariable) == "1" {
		os.Exit(Program{Title: "crash"}.Run(waitForTheCrash))
	}
	os.Exit(m.Run())
}

func waitForTheCrash(tb TB) {
	lab := New(tb)
	a := lab.Host("a")
	a.Start(exec.Command("sleep", "infinity"))
	a.StartContainer(exec.Command("sh", "-c", orphans))
	for _, pid := range slices.Concat(awaitAll(tb, a.own, 3), awaitAll(tb, a.machines[1], 2)) {
		fmt.Printf("pid %d\n", pid)
	}
	fmt.Println("ready")
	<-tb.Context().Done()
}

func TestCrashedTestLeavesNothing(t *testing.T) {
	t.Parallel()
	New(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"=1", "TMPDIR="+t.TempDir()) // nobody else removes its files
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids PIDs
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		if s, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if len(pids) != 5 {
		t.Fatalf("the child told of processes %v only", pids)
	}
	eventually(t, "the processes to be gone", func() error { return gone(pids) })
}
