package reap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes orphaned descendants of this process its children, as
// if it were process 1. Children do not inherit it.
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// sweep reaps every stranger that has ended. Hidden tells that a child of ours
// that ended and has not been waited for stood in the way, so that a stranger
// may have been missed.
func (c *Children) sweep() (hidden bool, err error) {
	var exits []Exit
	defer func() {
		for _, e := range exits {
			c.onExit(e)
		}
	}()
	c.fork.Lock()
	defer c.fork.Unlock()
	for {
		pid, err := firstEnded()
		if err != nil {
			return false, err
		}
		if pid == 0 {
			return false, nil
		}
		if c.owns(pid) {
			more, err := c.reapListed()
			exits = append(exits, more...)
			return true, err
		}
		if e, ok := reap(pid); ok {
			exits = append(exits, e)
		}
	}
}

// reapListed looks at every child in turn.
func (c *Children) reapListed() ([]Exit, error) {
	pids, err := c.Strangers()
	var exits []Exit
	for _, pid := range pids {
		if e, ok := reap(pid); ok {
			exits = append(exits, e)
		}
	}
	return exits, err
}

// firstEnded is a child that has ended and can be waited for; 0: there is none.
func firstEnded() (int, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case err == nil:
			return siginfoPID(&info), nil
		case errors.Is(err, unix.ECHILD):
			return 0, nil
		case !errors.Is(err, unix.EINTR):
			return 0, fmt.Errorf("waitid: %w", err)
		}
	}
}

// siginfoPID is si_pid, which package unix leaves without a name. It begins the
// union after three ints, which is aligned like a pointer.
func siginfoPID(info *unix.Siginfo) int {
	const pointer = unsafe.Sizeof(uintptr(0))
	const offset = (3*4 + pointer - 1) / pointer * pointer
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}

// reap takes pid's exit status, if it has ended.
func reap(pid int) (Exit, bool) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if !errors.Is(err, syscall.EINTR) {
			return Exit{pid, status}, err == nil && got == pid
		}
	}
}

// Strangers lists the children that ngha did not start: orphans that have
// fallen to it, alive or not reaped yet.
func (c *Children) Strangers() ([]int, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, errors.New("list children: /proc/self/task/*/children: none found; is /proc mounted?")
	}
	var pids []int
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended; another one has its children now
		}
		if err != nil {
			return pids, fmt.Errorf("list children: %w", err)
		}
		for field := range strings.FieldsSeq(string(b)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return pids, fmt.Errorf("list children: %s: %w", list, err)
			}
			if !c.owns(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}
