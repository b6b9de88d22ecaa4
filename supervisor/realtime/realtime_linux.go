// Package realtime makes the kernel prefer this process to all that is not
// real-time, and keep its memory out of swap: an advertisement that is due leaves
// at once, whatever else the machine does.
//
// The whole process is meant and not the goroutines of the virtual routers
// alone: Go's timers are served by whichever thread is awake, and a goroutine
// that is due waits for all of them. What the process does besides is little.
// Children are not to inherit it: see Ordinary.
package realtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// priority is a low one of those from 1 to 99: before everything ordinary, and
// after the kernel's own threads that have to be.
const priority = 5

// Enter sets all threads of this process, those to come included, to SCHED_RR
// (sched(7)), and locks its memory (mlockall(2)). One may succeed without the
// other; the error names each that did not, and what it wants.
func Enter() error {
	return errors.Join(enterScheduling(), lockMemory())
}

func enterScheduling() error {
	wanted := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}
	// A thread inherits the policy of the one that makes it. Once a look finds
	// none without it there will be none.
	for {
		changed, err := setThreads(wanted)
		if err != nil {
			return fmt.Errorf("real-time scheduling: %w (it wants CAP_SYS_NICE, or a limit RLIMIT_RTPRIO of %d)", err, priority)
		}
		if !changed {
			return nil
		}
	}
}

// setThreads sets the threads that are not as wanted, and reports whether there
// were any.
func setThreads(wanted *unix.SchedAttr) (changed bool, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return changed, err
		}
		is, err := unix.SchedGetAttr(tid, 0)
		if err == nil && is.Policy == wanted.Policy {
			continue
		}
		if err == nil {
			err = unix.SchedSetAttr(tid, wanted, 0)
		}
		if errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

func lockMemory() error {
	// On fault: Go reserves far more than it uses.
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w (it wants CAP_IPC_LOCK, or a limit RLIMIT_MEMLOCK of unlimited)", err)
	}
	return nil
}

// Ordinary calls start, which starts a child, on a thread that is not real-time,
// so that the child is not either.
func Ordinary(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	is, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return fmt.Errorf("read own scheduling: %w", err)
	}
	if is.Policy != unix.SCHED_RR {
		return start()
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0); err != nil {
		return fmt.Errorf("leave real-time scheduling for a child: %w", err)
	}
	defer func() {
		if unix.SchedSetAttr(0, is, 0) != nil {
			runtime.LockOSThread() // who took the right away: this thread is of no use to others, and ends with its goroutine
		}
	}()
	return start()
}
