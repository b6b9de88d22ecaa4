package nginxctl

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// logMarks are error logs and how long they were at some moment, so that what
// nginx says afterwards is found. Only regular files can be read that way.
type logMarks struct {
	files []logMark
	other []string // logs that are no regular files, or cannot be read
}

type logMark struct {
	open string // what to open
	name string // what to call it
	from int64
}

// markLogs notes the present ends of the named logs and of stderr, which nginx
// writes to until its configuration is loaded.
func markLogs(paths []string, stderr *os.File) logMarks {
	var l logMarks
	for _, p := range paths {
		l.mark(p, p)
	}
	if fi, err := stderr.Stat(); err == nil && fi.Mode().IsRegular() {
		l.mark(fmt.Sprintf("/proc/self/fd/%d", stderr.Fd()), stderr.Name())
	} else {
		l.other = append(l.other, "nginx's standard error")
	}
	return l
}

// markLiveLog notes the end of a running master's error log, which it keeps as
// its descriptor 2: this holds for the configuration in force, and for a file
// that was renamed meanwhile.
func markLiveLog(pid int) logMarks {
	var l logMarks
	open := fmt.Sprintf("/proc/%d/fd/2", pid)
	name, err := os.Readlink(open)
	if err != nil {
		name = "nginx's error log"
	}
	l.mark(open, name)
	return l
}

func (l *logMarks) mark(open, name string) {
	fi, err := os.Stat(open)
	switch {
	case os.IsNotExist(err):
		l.files = append(l.files, logMark{open, name, 0})
	case err == nil && fi.Mode().IsRegular():
		l.files = append(l.files, logMark{open, name, fi.Size()})
	default:
		l.other = append(l.other, name)
	}
}

// reason is what the process said since the mark about why it did not do as it
// was told, else where to look.
func (l logMarks) reason(pid int) string {
	if faults := l.faults(pid); len(faults) > 0 {
		return strings.Join(faults, "; ")
	}
	var names []string
	for _, f := range l.files {
		names = append(names, f.name)
	}
	names = append(names, l.other...)
	return "the reason is in " + strings.Join(names, " or ")
}

// readable reports whether all that is written can be read.
func (l logMarks) readable() bool { return len(l.other) == 0 }

// faults are the messages of level crit and above that pid wrote since the
// mark, each once. What it reports of its workers' ends is left out.
func (l logMarks) faults(pid int) []string {
	var faults []string
	for line := range strings.Lines(l.text()) {
		fault, by, ok := parseFault(line)
		if ok && (by == pid || by == 0) && !workerExit.MatchString(fault) && !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	return faults
}

// text is what was written since the mark.
func (l logMarks) text() string {
	l.files = slices.Clone(l.files)
	return l.take()
}

// take is text, and puts the mark behind it.
func (l *logMarks) take() string {
	var b strings.Builder
	for i, f := range l.files {
		var text string
		text, l.files[i].from = f.read()
		b.WriteString(text)
	}
	return b.String()
}

// maxReason is how much of a log is read: the last of it.
const maxReason = 1 << 20

// read returns the whole lines since the mark, and where they end.
func (f logMark) read() (text string, end int64) {
	file, err := os.Open(f.open)
	if err != nil {
		return "", f.from
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return "", f.from
	}
	from := f.from
	if fi.Size() < from {
		from = 0 // it was truncated, or is another by now
	}
	from = max(from, fi.Size()-maxReason)
	b, err := io.ReadAll(io.NewSectionReader(file, from, maxReason))
	if err != nil {
		return "", f.from
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	return string(b), from + int64(len(b))
}

var (
	// 2026/11/23 06:00:00 [emerg] 4711#4711: *7 bind() to ... failed
	logLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(emerg|alert|crit)\] (\d+)#\d+: (.*?)\s*$`)
	// [alert] worker process 4712 exited on signal 9
	workerExit = regexp.MustCompile(`^\[alert\] worker process (\d+) exited `)
	// nginx: [emerg] bind() to ... failed
	stderrLine = regexp.MustCompile(`^nginx: (\[(?:emerg|alert|crit)\] .*?|invalid option.*?)\s*$`)
)

// parseFault takes the message from a line of an error log, or from one of
// standard error, where nginx leaves the process id out: pid is 0 then.
func parseFault(line string) (fault string, pid int, ok bool) {
	if m := logLine.FindStringSubmatch(line); m != nil {
		pid, err := strconv.Atoi(m[2])
		return "[" + m[1] + "] " + m[3], pid, err == nil
	}
	if m := stderrLine.FindStringSubmatch(line); m != nil {
		return m[1], 0, true
	}
	return "", 0, false
}
