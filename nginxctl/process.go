package nginxctl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is one of nginx's processes at the moment when it was looked at. PID
// and StartTime together name it for good.
type Process struct {
	PID       int
	StartTime uint64 // clock ticks since boot, as in /proc/PID/stat
	Session   int
	Title     string // as ps shows it: "nginx: worker process"
}

// IsMaster reports whether p is a master.
func (p Process) IsMaster() bool { return strings.HasPrefix(p.Title, "nginx: master process") }

// IsWorker reports whether p is a worker, shutting down or not. nginx's other
// children manage and load caches.
func (p Process) IsWorker() bool { return strings.HasPrefix(p.Title, "nginx: worker process") }

// ShuttingDown reports whether p finishes what it serves and accepts nothing.
func (p Process) ShuttingDown() bool { return strings.HasSuffix(p.Title, "is shutting down") }

func (p Process) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Title) }

// same reports whether p and q are one process, whatever their titles.
func (p Process) same(q Process) bool { return p.PID == q.PID && p.StartTime == q.StartTime }

// stat is what /proc/PID/stat says, as far as we need it.
type stat struct {
	state     byte // 'R', 'S', 'D', 'T' stopped, 'Z' dead and not reaped
	parent    int
	session   int
	flags     uint64 // PF_*
	startTime uint64
}

// readStat reads /proc/PID/stat. A process that is gone is fs.ErrNotExist.
func readStat(pid int) (stat, error) {
	b, err := readProc(pid, "stat")
	if err != nil {
		return stat{}, err
	}
	// The second field is the program's name in parentheses, which may itself
	// hold spaces and parentheses.
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat: unknown form %q", pid, b)
	}
	s := stat{state: f[0][0]}
	var errs [4]error
	s.parent, errs[0] = strconv.Atoi(string(f[1]))
	s.session, errs[1] = strconv.Atoi(string(f[3]))
	s.flags, errs[2] = strconv.ParseUint(string(f[6]), 10, 64)
	s.startTime, errs[3] = strconv.ParseUint(string(f[19]), 10, 64)
	return s, errors.Join(errs[:]...)
}

// pfExiting is the kernel's PF_EXITING.
const pfExiting = 0x4

// exiting reports whether pid has ended or is about to: then what its tables
// say of its descriptors means nothing.
func exiting(pid int) bool {
	s, err := readStat(pid)
	return err != nil || s.state == 'Z' || s.state == 'X' || s.flags&pfExiting != 0
}

// readProcess describes pid. A process that is gone, or dead and not yet
// reaped, is fs.ErrNotExist.
func readProcess(pid int) (Process, error) {
	s, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	if s.state == 'Z' || s.state == 'X' {
		return Process{}, fs.ErrNotExist
	}
	b, err := readProc(pid, "cmdline")
	if err != nil {
		return Process{}, err
	}
	title, _, _ := bytes.Cut(b, []byte{0})
	return Process{
		PID:       pid,
		StartTime: s.startTime,
		Session:   s.session,
		Title:     strings.TrimRight(string(title), " "),
	}, nil
}

// children lists the processes that any thread of pid has forked and that live.
func children(pid int) ([]Process, error) {
	return childrenIn(pid, func() ([]int, error) { return childIDs(pid) })
}

// childrenIn goes by a list of pid's children, dead ones included. The kernel
// finds its place in that list by the child before, and where this one is reaped
// meanwhile it may leave out another that lives. Such a list is read again.
func childrenIn(pid int, list func() ([]int, error)) ([]Process, error) {
	const attempts = 10 // one will do unless nginx reaps without a pause
	for attempt := 1; ; attempt++ {
		ids, err := list()
		if err != nil {
			return nil, err
		}
		var procs []Process
		reaped := false
		for _, id := range ids {
			p, err := readProcess(id)
			if err == nil {
				procs = append(procs, p)
				continue
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			s, err := readStat(id)
			reaped = reaped || err != nil || s.parent != pid
		}
		if !reaped || attempt == attempts {
			return procs, nil
		}
	}
}

// childIDs reads the list of the children of all of pid's threads.
func childIDs(pid int) ([]int, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, t := range tasks {
		b, err := readProc(pid, "task/"+t.Name()+"/children")
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread ended
		}
		if err != nil {
			return nil, err
		}
		for _, f := range bytes.Fields(b) {
			id, err := strconv.Atoi(string(f))
			if err != nil {
				return nil, fmt.Errorf("/proc/%d/task/%s/children: %w", pid, t.Name(), err)
			}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// members lists the living processes of a session.
func members(session int) ([]Process, error) {
	pids, err := processIDs()
	if err != nil {
		return nil, err
	}
	var procs []Process
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil || s.session != session {
			continue // gone, or hidden from us and so not ours
		}
		p, err := readProcess(pid)
		if err != nil || p.Session != session {
			continue
		}
		procs = append(procs, p)
	}
	return procs, nil
}

// processIDs lists all processes, in no order.
func processIDs() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// readProc reads a file of /proc/PID. The kernel says ESRCH where the process
// ends while it is being read.
func readProc(pid int, name string) ([]byte, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if errors.Is(err, unix.ESRCH) {
		return nil, fs.ErrNotExist
	}
	return b, err
}
