package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Start starts the master and returns at once: see Ready. ctx bounds the look
// at the configuration that comes first; the master outlives it.
func (n Nginx) Start(ctx context.Context) (*Master, error) {
	return n.StartWith(ctx, nil, nil)
}

// StartWith is Start with a configuration that has been looked at already, and
// with sockets in custody: see Custody. Either may be nil.
//
// The master inherits what is in custody, after sockets have been opened for
// all that the configuration listens on. Whoever was started before and still
// serves is not touched: see Retire.
func (n Nginx) StartWith(ctx context.Context, d *Dump, custody *Custody) (*Master, error) {
	c := n.command()
	if d == nil {
		var err error
		if d, err = n.Dump(ctx); err != nil && !c.hidden {
			return nil, err
		}
	}
	if d == nil {
		d = new(Dump) // the wrapper may know another configuration
	}
	foreground, err := n.foreground(d)
	if err != nil {
		return nil, err
	}
	c = c.withoutDaemon()
	if !foreground {
		c = c.foreground()
	}
	words := c.words()

	m := &Master{nginx: n, custody: custody, done: make(chan struct{}), grew: markLogs(d.ErrorLogs(), n.stderr())}
	m.crew.changed = make(chan struct{}, 1)
	m.cmd = exec.Command(words[0], words[1:]...)
	m.cmd.Env = n.environ()
	m.cmd.Stdout, m.cmd.Stderr = n.stdout(), n.stderr()
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := m.spawn(ctx, d); err != nil {
		return nil, fmt.Errorf("start %s: %w", words[0], err)
	}
	m.pid = m.cmd.Process.Pid
	m.since = time.Now()
	go m.wait()
	return m, nil
}

// spawn starts the process, with what is in custody.
func (m *Master) spawn(ctx context.Context, d *Dump) (err error) {
	if m.custody == nil {
		m.warning, err = m.nginx.spawn(m.cmd)
		return err
	}
	if _, err := m.custody.Gather(ctx, d, nil); err != nil {
		return err
	}
	files, inodes, err := m.custody.bequeath()
	if err != nil {
		return errors.Join(err, m.custody.abandon())
	}
	defer closeAll(files)
	if len(files) > 0 {
		extra, env := inheritance(files)
		m.cmd.ExtraFiles, m.cmd.Env = extra, append(m.cmd.Env, env)
		m.given = inodes
	}
	if m.warning, err = m.nginx.spawn(m.cmd); err != nil {
		return errors.Join(err, m.custody.abandon())
	}
	return nil
}

// Supervisable returns why ngha cannot watch over an nginx started with n and
// the configuration d: one that leaves the foreground, or has no master, or logs
// to what it cannot open.
func (n Nginx) Supervisable(d *Dump) error {
	_, err := n.foreground(d)
	return errors.Join(err, n.openableLogs(d))
}

func (n Nginx) foreground(d *Dump) (bool, error) {
	if n.command().daemonOn() {
		return false, errors.New("-g says `daemon on`: nginx has to stay in the foreground, write `daemon off`")
	}
	return d.foreground()
}

// foreground reports whether the configuration itself keeps nginx in the
// foreground, and refuses one in which ngha cannot watch over a master.
func (d *Dump) foreground() (bool, error) {
	off := false
	for _, l := range d.main {
		if len(l.args) != 1 {
			continue
		}
		switch {
		case l.name == "daemon" && l.args[0] == "on":
			return false, fmt.Errorf("%s:%d: `daemon on`: nginx has to stay in the foreground, take the line out", l.file, l.line)
		case l.name == "daemon":
			off = true
		case l.name == "master_process" && l.args[0] == "off":
			return false, fmt.Errorf("%s:%d: `master_process off`: reloads and repairs need a master, take the line out", l.file, l.line)
		}
	}
	return off, nil
}

// wait is the goroutine that reaps the master. It ends with the master.
func (m *Master) wait() {
	defer close(m.done)
	err := m.nginx.wait(m.cmd)
	e := &ExitError{Code: -1, Asked: m.asked.Load(), Ready: m.ready.Load()}
	switch s, known := waitStatus(m.cmd); {
	case !known:
		e.Err = err
	case s.Signaled():
		e.Signal = s.Signal()
	default:
		e.Code = s.ExitStatus()
	}
	switch {
	case e.Ready:
	case e.Code != 0:
		e.Reason = m.grew.reason(m.pid)
	case !e.Asked:
		e.Reason = "it went into the background, or its wrapper does not end in `exec nginx ...`; nginx needs `daemon off`"
	}
	m.err = e
}

func waitStatus(cmd *exec.Cmd) (unix.WaitStatus, bool) {
	if cmd.ProcessState == nil {
		return 0, false
	}
	s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return unix.WaitStatus(s), ok
}
