package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a node's ngha has of the machine.
type Usage struct {
	Descriptors int
	Threads     int
	Goroutines  int
	Resident    int64 // bytes of memory
}

// Usage looks at the node's ngha. It asks the metrics endpoint, at its usual
// place.
func (n *Node) Usage() (u Usage, err error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.ngha.PID()))
	if err != nil {
		return u, err
	}
	u.Descriptors = len(open)
	if u.Threads, err = statusField(n.ngha.PID(), "Threads"); err != nil {
		return u, err
	}
	if u.Resident, err = (PIDs{n.ngha.PID()}).Resident(); err != nil {
		return u, err
	}
	u.Goroutines, err = n.goroutines()
	return u, err
}

// goroutines is their number while this very question is answered.
func (n *Node) goroutines() (int, error) {
	ctx, cancel := context.WithTimeout(n.lab.t.Context(), statusLimit)
	defer cancel()
	client := n.host.HTTPClient()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9650/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(value)
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("the metrics have no go_goroutines"))
}

// CPU is how much of a processor's time the processes have had, all their
// threads, and those children that they have waited for. The children's part is
// known to 20 ms only.
func (p PIDs) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p {
		own, err := ownCPU(pid)
		if err != nil {
			return 0, fmt.Errorf("processor time of %d: %w", pid, err)
		}
		stat, err := readStat(pid)
		if err != nil {
			return 0, err
		}
		sum += own + stat.children
	}
	return sum, nil
}

// Resident is how much memory the processes have, in bytes; what they share
// counts for each.
func (p PIDs) Resident() (int64, error) {
	var sum int64
	for _, pid := range p {
		kib, err := statusField(pid, "VmRSS")
		if err != nil {
			return 0, err
		}
		sum += int64(kib) << 10
	}
	return sum, nil
}

// statusField reads a number of /proc/PID/status.
func statusField(pid int, name string) (n int, err error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			if _, err := fmt.Sscan(value, &n); err != nil {
				return 0, fmt.Errorf("%s: %q: %w", path, line, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// ownCPU reads a process's own clock (clock_getcpuclockid(3)), which is exact.
func ownCPU(pid int) (time.Duration, error) {
	const schedulers = 2 // CPUCLOCK_SCHED, of linux/posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulers), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// Zombies lists the node's processes that have ended and that nobody has waited
// for.
func (n *Node) Zombies() (PIDs, error) { return n.machine.zombies() }

func (m *machine) zombies() (PIDs, error) {
	var errs []error
	found, err := m.pids(func(pid int) bool {
		s, err := readStat(pid)
		if err != nil && !hasEnded(err) {
			errs = append(errs, err)
		}
		return err == nil && s.state == 'Z'
	})
	return found, errors.Join(append(errs, err)...)
}

// leaveOrphans has each of its children leave a child, and end.
const leaveOrphans = `n=$1; while [ "$n" -gt 0 ]; do (true &); n=$((n-1)); done`

// Orphan leaves the node so many short-lived orphans, which fall to its ngha
// unless UnderInit, and returns when the last one was born. Any goroutine may
// call it.
func (n *Node) Orphan(count int) error {
	out, err := n.Run("sh", "-c", leaveOrphans, "sh", strconv.Itoa(count))
	if err != nil {
		return fmt.Errorf("leave %d orphans to node %s: %w: %s", count, n.host.name, err, out)
	}
	return nil
}
