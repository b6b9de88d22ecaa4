package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A pidfd refers to one process and never to another that has got its id.
type pidfd struct{ f *os.File }

// open opens p, which need not be our child. A process that is gone is
// fs.ErrNotExist.
func (p Process) open() (pidfd, error) {
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return pidfd{}, fs.ErrNotExist
	}
	if err != nil {
		return pidfd{}, fmt.Errorf("open process %d: %w", p.PID, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// Only now is the id pinned, and who has it may be asked.
	s, err := readStat(p.PID)
	if err == nil && s.startTime != p.StartTime {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return pidfd{}, err
	}
	return pidfd{f}, nil
}

// signal sends sig. A process that is gone is fs.ErrNotExist.
func (d pidfd) signal(sig unix.Signal) error {
	conn, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) {
		sent = unix.PidfdSendSignal(int(fd), sig, nil, 0)
	}); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return fs.ErrNotExist
	}
	return sent
}

// wait returns nil when the process has ended, reaped or not.
func (d pidfd) wait(ctx context.Context) error {
	conn, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = d.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var polled error
	err = conn.Read(func(fd uintptr) (ended bool) {
		ended, polled = hasEnded(fd)
		return ended || polled != nil
	})
	if polled != nil {
		return polled
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// hasEnded asks without waiting: a pidfd is readable once its process has ended.
func hasEnded(fd uintptr) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return n > 0, err
	}
}

func (d pidfd) close() { d.f.Close() }

// signalAll sends sig to each of procs that still lives.
func signalAll(procs []Process, sig unix.Signal) error {
	var errs []error
	for _, p := range procs {
		if err := p.signal(sig); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p Process) signal(sig unix.Signal) error {
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.signal(sig); err != nil {
		return fmt.Errorf("signal %v to %v: %w", sig, p, err)
	}
	return nil
}

// waitAll returns nil when all of procs have ended.
func waitAll(ctx context.Context, procs []Process) error {
	for _, p := range procs {
		d, err := p.open()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = d.wait(ctx)
		d.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// killSession kills all processes of a session and waits for their end. What
// is forked while it looks is found in the next round.
func killSession(session int) error {
	for {
		procs, err := members(session)
		if err != nil || len(procs) == 0 {
			return err
		}
		if err := signalAll(procs, unix.SIGKILL); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), killLimit)
		err = waitAll(ctx, procs)
		cancel()
		if err != nil {
			return fmt.Errorf("wait for the end of session %d: %w", session, err)
		}
	}
}

// killLimit bounds the wait for a killed process: only one that is stuck in the
// kernel takes so long.
const killLimit = 5 * time.Second
