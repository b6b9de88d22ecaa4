package nginxctl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// run runs words to their end in a session of their own and returns what they
// wrote. echo, when set, gets both streams too. When ctx ends the whole session
// is killed.
func (n Nginx) run(ctx context.Context, words []string, echo io.Writer) (stdout, stderr []byte, err error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = n.environ()
	cmd.Stdout, cmd.Stderr = &out, &errs
	if echo != nil {
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, echo), io.MultiWriter(&errs, echo)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error {
		err := cmd.Process.Kill()
		killSession(cmd.Process.Pid)
		return err
	}
	cmd.WaitDelay = time.Second
	if _, err := n.spawn(cmd); err != nil {
		return nil, nil, err
	}
	err = n.wait(cmd)
	if ctx.Err() != nil {
		err = fmt.Errorf("no end in time: %w", context.Cause(ctx))
	}
	return out.Bytes(), errs.Bytes(), err
}

// spawn starts cmd with no more privilege than nginx needs and with none of our
// descriptors. warning is a *CapabilityError or nil.
func (n Nginx) spawn(cmd *exec.Cmd) (warning, err error) {
	if err := closeOnExec(); err != nil {
		return nil, err
	}
	if n.KeepCapabilities {
		return nil, n.start(cmd)
	}
	type result struct{ warning, err error }
	done := make(chan result, 1)
	// Capabilities belong to a thread. This one forks and is then thrown away:
	// a goroutine that ends while locked takes its thread along.
	go onOtherThread(func() {
		warning := dropNetworkCapabilities()
		done <- result{warning, n.start(cmd)}
	})
	r := <-done
	return r.warning, r.err
}

// onOtherThread runs f on a thread that is not the process's first one, and
// leaves the thread locked. The first thread cannot end, and what
// /proc/self/status says is said of it.
func onOtherThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onOtherThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

func (n Nginx) start(cmd *exec.Cmd) error {
	if n.Spawner != nil {
		return n.Spawner.Start(cmd)
	}
	return cmd.Start()
}

func (n Nginx) wait(cmd *exec.Cmd) error {
	if n.Spawner != nil {
		return n.Spawner.Wait(cmd)
	}
	return cmd.Wait()
}
