package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clockTick is the unit of times in /proc/PID/stat (USER_HZ).
const clockTick = 10 * time.Millisecond

// processStat is some of /proc/PID/stat.
type processStat struct {
	state    byte
	parent   int
	flags    uint64        // PF_*
	children time.Duration // processor time of those waited for
}

// pfForkNoExec is the kernel's PF_FORKNOEXEC: the process is a copy of another and
// runs the same program.
const pfForkNoExec = 0x40

func readStat(pid int) (s processStat, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	return parseStat(string(b))
}

// parseStat takes the line apart, whose second field, in parentheses, may hold
// anything.
func parseStat(line string) (s processStat, err error) {
	fields := strings.Fields(line[strings.LastIndex(line, ")")+1:])
	if len(fields) < 15 || len(fields[0]) != 1 {
		return s, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	s.state = fields[0][0]
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, fmt.Errorf("/proc/PID/stat: %q: %w", line, err)
	}
	if s.flags, err = strconv.ParseUint(fields[6], 10, 64); err != nil {
		return s, fmt.Errorf("/proc/PID/stat: %q: %w", line, err)
	}
	for _, f := range fields[13:15] { // cutime, cstime
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return s, fmt.Errorf("/proc/PID/stat: %q: %w", line, err)
		}
		s.children += time.Duration(ticks) * clockTick
	}
	return s, nil
}

// hasEnded reports whether err, of reading a process's files, says that there is
// no such process any more.
func hasEnded(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }
