// Package command runs a user's program: a check or a hook. It runs without a
// shell, in a process group of its own, with an environment that is stated and
// not inherited, for as long as its context lasts and no longer; of what it
// prints the end is kept.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Starter starts and waits for child processes. ngha has one for all of its
// children, so that its reaping of orphans does not take their exit status.
type Starter interface {
	Start(*exec.Cmd) error
	Wait(*exec.Cmd) error
}

// Command is one program to run.
type Command struct {
	Argv []string // the program, by path or looked up in PATH, and its arguments
	Env  []string // "KEY=value", all that it sees beside PATH
}

// Run runs c to its end and returns the last of what it printed, as one line.
// The error tells of anything but exit status 0, names the program and quotes
// that line. When ctx ends the whole process group is killed. What the program
// left running in the background when it ended by itself goes on, without an
// output.
func Run(ctx context.Context, s Starter, c Command) (output string, err error) {
	if len(c.Argv) == 0 {
		return "", errors.New("run: no program given")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env = append([]string{"PATH=" + path()}, c.Env...)
	cmd.Stdout = w
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

	err = s.Start(cmd)
	w.Close()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	var out tail
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&out, r) // until nobody holds the pipe, or the deadline
	}()
	err = s.Wait(cmd)
	r.SetReadDeadline(time.Now()) // something that it left running may hold it for ever
	<-read
	out.drain(r)
	output = out.String()
	switch {
	case err == nil:
		return output, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("%s killed: %w", c.Argv[0], ctx.Err())
	default:
		err = fmt.Errorf("%s: %w", c.Argv[0], err)
	}
	if output != "" {
		err = fmt.Errorf("%w: %s", err, output)
	}
	return output, err
}

// path is ngha's own PATH, or where programs usually are.
func path() string {
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// tailSize is how much of the output is kept.
const tailSize = 512

// tail is a writer that keeps the end of what is written to it.
type tail struct {
	b   []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > tailSize {
		p, t.cut = p[len(p)-tailSize:], true
	}
	if over := len(t.b) + len(p) - tailSize; over > 0 {
		t.b, t.cut = append(t.b[:0], t.b[over:]...), true
	}
	t.b = append(t.b, p...)
	return n, nil
}

// pipeLimit is how much a pipe may hold, as far as Linux lets it by default.
const pipeLimit = 1 << 20

// drain takes what is in the pipe, which is all that a program which has ended
// can have printed there, and waits for no more.
func (t *tail) drain(r *os.File) {
	r.SetReadDeadline(time.Time{})
	c, err := r.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, 32<<10)
	c.Read(func(fd uintptr) (done bool) {
		for left := pipeLimit; left > 0; {
			n, err := syscall.Read(int(fd), b[:min(left, len(b))])
			switch {
			case err == syscall.EINTR:
			case n <= 0:
				return true // it is empty, or closed
			default:
				t.Write(b[:n])
				left -= n
			}
		}
		return true
	})
}

// String is the text kept, on one line and without control characters.
func (t *tail) String() string {
	s := strings.ToValidUTF8(string(t.b), "")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	s = strings.TrimSpace(s)
	if t.cut {
		s = "..." + s
	}
	return s
}
