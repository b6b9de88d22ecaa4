package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Sync brings the custody in step with a master that runs: what it no longer
// has is closed, and what it has opened is taken. Ready and Reload do it; it is
// to be called when somebody else may have reloaded nginx.
func (c *Custody) Sync(m *Master) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := readProcess(m.pid)
	if errors.Is(err, fs.ErrNotExist) || m.Err() != nil {
		return os.ErrProcessDone
	}
	var open map[uint64]int
	var at map[uint64]listener
	if err == nil {
		open, at, err = c.look(m.pid, time.Now())
	}
	// What it says is true of a master that lives. One that is being killed
	// has no descriptors, and now more than ever needs ours.
	if exiting(m.pid) {
		return os.ErrProcessDone
	}
	if err != nil {
		c.beyond, c.refusal = nil, err
		return fmt.Errorf("look for nginx's sockets: %w", err)
	}
	c.watchQueues(at, time.Now())
	c.keep(open)
	for i := range c.held {
		c.held[i].proven = true
	}
	if !c.synced {
		c.barred = c.refused(p, open)
	}
	c.beyond, c.refusal = c.take(p, open, at)
	c.synced = true
	return nil
}

// settledSockets is for how long a master has the same sockets before the kernel
// need not be asked again which of them listen: one that has just been bound does
// not yet.
const settledSockets = 500 * time.Millisecond

// sighting is what sockets a master had, when they were first seen, and when the
// kernel last said which of them listen.
type sighting struct {
	open        map[uint64]int
	first, last time.Time
}

// look is listeners for the master in custody. To find them in the kernel's
// tables takes milliseconds of a processor, since those have all connections of
// the network namespace; while the master's sockets stay the same, and we hold
// all that listen, our own descriptors say as much.
func (c *Custody) look(pid int, now time.Time) (open map[uint64]int, at map[uint64]listener, err error) {
	if open, err = openSockets(pid); err != nil {
		return nil, nil, err
	}
	if !maps.Equal(open, c.seen.open) {
		c.seen = sighting{open: open, first: now}
	}
	if len(c.beyond) == 0 && c.seen.last.Sub(c.seen.first) >= settledSockets {
		return open, c.own(open), nil
	}
	if at, err = listening(pid, open); err == nil {
		c.seen.last = now
	}
	return open, at, err
}

// own maps those sockets in custody that are among open.
func (c *Custody) own(open map[uint64]int) map[uint64]listener {
	at := make(map[uint64]listener)
	for _, s := range c.held {
		if _, has := open[s.inode]; has {
			at[s.inode] = listener{s.at, acceptQueue(s.fd)}
		}
	}
	return at
}

// release closes what the master has closed. It is the part of Sync that cannot
// wait, and quick.
func (c *Custody) release(m *Master) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open, err := openSockets(m.pid)
	if err != nil || exiting(m.pid) {
		return // Sync says what is wrong
	}
	c.keep(open)
}

func (c *Custody) keep(open map[uint64]int) {
	c.drop(func(s socket) bool { _, has := open[s.inode]; return !has })
}

// refused tries whether the kernel lets us take a socket from p.
func (c *Custody) refused(p Process, open map[uint64]int) bool {
	for inode, fd := range open {
		taken, err := p.getSocket(fd, inode)
		if err == nil {
			unix.Close(taken)
		}
		return isRefusal(err)
	}
	return false
}

// takeFrom takes what it can from old, of which one process tells for all, but
// for the inodes in except. The function that it returns reports whether old has
// a socket that collides with an endpoint, as far as can be known.
func (c *Custody) takeFrom(old []Process, except map[uint64]bool) func(endpoint) bool {
	masters, others := split(old)
	accepting := slices.DeleteFunc(append(masters, others...), Process.ShuttingDown)
	for _, p := range accepting {
		open, at, err := listeners(p.PID)
		if err != nil || exiting(p.PID) {
			continue // not ours to read, or gone: the next one
		}
		maps.DeleteFunc(at, func(inode uint64, _ listener) bool { return except[inode] })
		c.take(p, open, at)
		theirs := slices.Collect(maps.Values(at))
		return func(e endpoint) bool {
			return slices.ContainsFunc(theirs, func(l listener) bool { return e.collides(l.endpoint) })
		}
	}
	if c.synced {
		theirs := slices.Clone(c.beyond)
		return func(e endpoint) bool { return slices.ContainsFunc(theirs, e.collides) }
	}
	return func(endpoint) bool { return len(accepting) > 0 }
}

// take takes those sockets of p that we do not hold and returns where the
// others listen.
func (c *Custody) take(p Process, open map[uint64]int, at map[uint64]listener) (beyond []endpoint, why error) {
	for _, inode := range slices.Sorted(maps.Keys(at)) {
		if slices.ContainsFunc(c.held, func(s socket) bool { return s.inode == inode }) {
			continue
		}
		file := identify(at[inode].path)
		if at[inode].path != "" && file == (fileID{}) {
			continue // nobody reaches it any more
		}
		fd, err := p.getSocket(open[inode], inode)
		if err != nil {
			c.barred = c.barred || isRefusal(err)
			beyond, why = append(beyond, at[inode].endpoint), err
			continue
		}
		c.held = append(c.held, socket{fd: fd, inode: inode, at: at[inode].endpoint, file: file, proven: true})
	}
	return beyond, why
}
