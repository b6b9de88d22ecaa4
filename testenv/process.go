package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Process is a running program of a host. It is killed when the lab ends.
type Process struct {
	lab  *Lab
	name string
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when the process was reaped
	err  error         // of Wait, once done is closed
}

// PIDs are processes by the ids the test sees, not by those in their own PID
// namespace.
type PIDs []int

// Signal sends sig to every one of them. Those that have ended meanwhile are
// passed over.
func (p PIDs) Signal(sig unix.Signal) error {
	var errs []error
	for _, pid := range p {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("send %v to %d: %w", sig, pid, err))
		}
	}
	return errors.Join(errs...)
}

// Living lists those that run. One that has ended is not among them, whether or
// not somebody has waited for it.
func (p PIDs) Living() PIDs {
	var living PIDs
	for _, pid := range p {
		if s, err := readStat(pid); err == nil && s.state != 'Z' && s.state != 'X' {
			living = append(living, pid)
		}
	}
	return living
}

// Start starts cmd on the host, under the host's init (a shell that reaps
// orphans), with /run private to the host. Unless cmd says otherwise its
// output goes to a log whose tail is shown when the test fails.
func (h *Host) Start(cmd *exec.Cmd) *Process {
	h.lab.t.Helper()
	p, err := h.ownMachine().start(cmd)
	if err != nil {
		h.lab.t.Fatalf("host %s: %v", h.name, err)
	}
	return p
}

// StartContainer starts cmd on the host's network as PID 1 of namespaces of its
// own, like a container: when it ends, everything it started is killed.
// cmd's ExtraFiles and SysProcAttr must be unset.
func (h *Host) StartContainer(cmd *exec.Cmd) *Process {
	h.lab.t.Helper()
	m, err := h.newMachine(cmd)
	if err != nil {
		h.lab.t.Fatalf("host %s: %v", h.name, err)
	}
	return m.first
}

// Run runs a program on the host, under the host's init, to its end and
// returns all that it wrote.
func (h *Host) Run(name string, args ...string) (string, error) {
	h.lab.t.Helper()
	return h.ownMachine().run(exec.CommandContext(h.lab.t.Context(), name, args...))
}

// ownMachine returns the host's machine, which starts with its first use.
func (h *Host) ownMachine() *machine {
	h.lab.t.Helper()
	if h.own == nil {
		var err error
		if h.own, err = h.newMachine(exec.Command("sh", "-c", initScript)); err != nil {
			h.lab.t.Fatalf("host %s: %v", h.name, err)
		}
	}
	return h.own
}

// PowerOff pulls every cable of the host and kills every process on it, none of
// which gets to say a word.
func (h *Host) PowerOff() {
	h.lab.t.Helper()
	for _, l := range h.links {
		l.PortDown()
	}
	h.killAll()
}

func (h *Host) killAll() {
	for _, m := range h.machines {
		m.kill()
	}
	h.machines, h.own = nil, nil
}

// PowerOn plugs the cables in again. The interfaces come up with the addresses
// they were attached with and no others, and no process runs.
func (h *Host) PowerOn() {
	h.lab.t.Helper()
	for _, l := range h.links {
		l.must("forget addresses", l.forgetAddresses())
		l.PortUp()
	}
}

// logName names cmd's log after the host and the program, later ones with a
// number.
func (h *Host) logName(cmd *exec.Cmd) string {
	name := h.name + "." + filepath.Base(cmd.Path)
	h.launched[name]++
	if n := h.launched[name]; n > 1 {
		name = fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

// launch starts cmd on t and waits for its end in a goroutine of its own.
func (h *Host) launch(t *thread, cmd *exec.Cmd, name string) (*Process, error) {
	h.lab.t.Helper()
	p := &Process{lab: h.lab, name: name, cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil && cmd.Stderr == nil {
		log := h.lab.logFile(name)
		defer log.Close() // the child has its own
		p.log = log.Name()
		cmd.Stdout, cmd.Stderr = log, log
	}
	if err := t.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process's id as the test sees it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Family lists the process and its children.
func (p *Process) Family() PIDs {
	p.lab.t.Helper()
	family := PIDs{p.PID()}
	children, err := allPIDs(func(pid int) bool {
		s, err := readStat(pid) // it may have ended
		return err == nil && s.parent == p.PID()
	})
	if err != nil {
		p.lab.t.Fatalf("list the children of %s: %v", p.name, err)
	}
	return append(family, children...)
}

// Name is the host's and the program's, as the log is named.
func (p *Process) Name() string { return p.name }

// Log returns all that the process has written so far, "" when its output
// goes elsewhere.
func (p *Process) Log() string {
	if p.log == "" {
		return ""
	}
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Done is closed when the process has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends sig to this process alone. One that has ended fails the test.
func (p *Process) Signal(sig unix.Signal) {
	p.lab.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.lab.t.Fatalf("send %v to %s: %v", sig, p.name, err)
	}
}

// AwaitExit waits for the process's end and returns how it ended.
func (p *Process) AwaitExit() *os.ProcessState {
	p.lab.t.Helper()
	p.lab.Await("the end of "+p.name, awaitLimit, func() error {
		if p.Running() {
			return errors.New("it runs")
		}
		return nil
	})
	return p.cmd.ProcessState
}

// kill ends the process, which may have ended, and waits for it.
func (p *Process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.lab.t.Errorf("kill %s: %v", p.name, err)
		return
	}
	<-p.done
}
