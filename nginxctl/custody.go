package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Custody holds nginx's listening sockets beside nginx, so that they outlive
// it: what connects while no worker lives waits in the socket's queue for the
// next master, which inherits it, and is not refused.
//
// The zero value holds nothing and is ready. StartWith and Ready fill it, Reload
// keeps it in step with nginx, and Close ends it, which must follow when nginx
// has ended for good: clients that connect to a socket which nobody serves hang.
//
// Its methods may be called from several goroutines.
type Custody struct {
	mu      sync.Mutex
	held    []socket
	beyond  []endpoint       // nginx listens there, and we do not hold it
	refusal error            // why not
	queues  map[uint64]queue // of nginx's listening sockets, by inode; those alone where somebody waits
	seen    sighting         // of nginx's sockets
	synced  bool             // beyond has been filled from a living master
	barred  bool             // the kernel does not let us take sockets
}

// A socket is a listening socket in custody.
type socket struct {
	fd     int
	inode  uint64
	at     endpoint
	file   fileID // a unix socket's path when it was bound
	proven bool   // a running nginx has it; others go when a start fails
}

// Gather brings into custody every socket that d listens on: those that the
// processes old have, where the kernel lets us take them, and new ones for the
// rest. What can be neither taken nor bound is left to nginx, which says in its
// own words what is wrong.
//
// blocked are addresses that d listens on and old keeps: no new master can bind
// them before old is cleared away. Stale unix sockets are removed.
func (c *Custody) Gather(ctx context.Context, d *Dump, old []Process) (blocked []string, err error) {
	want := d.wanted(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	theirs := c.takeFrom(old, c.forgetMoved())
	for _, w := range want {
		for c.count(w.endpoint) < w.count {
			s, err := openSocket(w)
			if errors.Is(err, unix.EADDRINUSE) && c.count(w.endpoint) == 0 {
				switch stale := c.inTheWay(w.endpoint, want); {
				case len(old) > 0 && (len(stale) > 0 || theirs(w.endpoint)):
					blocked = append(blocked, w.String())
				case len(old) == 0 && len(stale) > 0:
					c.drop(func(s socket) bool { return slices.Contains(stale, s.at) })
					continue
				}
			}
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				return nil, fmt.Errorf("listen on %v: %w", w, err)
			}
			if err != nil {
				break
			}
			c.held = append(c.held, s)
		}
	}
	return blocked, nil
}

// Uncovered lists the addresses on which nginx listens and which a crash of
// nginx would take along, as of the last look, and why. An error without
// addresses means that nginx's sockets cannot be seen.
func (c *Custody) Uncovered() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal == nil {
		return nil, nil
	}
	return texts(c.beyond), fmt.Errorf("take sockets from nginx: %w (a container needs CAP_SYS_PTRACE for it)", c.refusal)
}

// OutOfReach lists the addresses which d adds to those in custody, if a reload
// would leave them uncovered because the kernel refuses to hand over sockets.
// To replace nginx by a master that inherits them, instead of a reload, covers
// them.
func (c *Custody) OutOfReach(ctx context.Context, d *Dump) []string {
	want := d.wanted(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.barred {
		return nil
	}
	var missing []string
	for _, w := range want {
		if c.count(w.endpoint) < w.count && !slices.Contains(c.beyond, w.endpoint) {
			missing = append(missing, w.String())
		}
	}
	return missing
}

// Close lets go of everything and removes the unix sockets, which nginx leaves
// when it has inherited them. The custody is empty then, and may be filled
// again.
func (c *Custody) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, s := range c.held {
		errs = append(errs, s.remove())
	}
	c.drop(func(socket) bool { return true })
	c.beyond, c.refusal, c.queues, c.seen, c.synced = nil, nil, nil, sighting{}, false
	return errors.Join(errs...)
}

// Leave lets go of everything for a nginx that goes on without us, which has the
// sockets as well. The custody is empty then.
func (c *Custody) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(func(socket) bool { return true })
	c.beyond, c.refusal, c.queues, c.seen, c.synced = nil, nil, nil, sighting{}, false
}

func (c *Custody) count(at endpoint) int {
	n := 0
	for _, s := range c.held {
		if s.at == at {
			n++
		}
	}
	return n
}

// inTheWay lists what is held, wanted no more, and in e's way.
func (c *Custody) inTheWay(e endpoint, want []wanted) []endpoint {
	var list []endpoint
	for _, s := range c.held {
		still := slices.ContainsFunc(want, func(w wanted) bool { return w.endpoint == s.at })
		if !still && s.at.collides(e) {
			list = append(list, s.at)
		}
	}
	return list
}

// forgetMoved drops unix sockets to which their path leads no more, and returns
// their inodes.
func (c *Custody) forgetMoved() map[uint64]bool {
	moved := make(map[uint64]bool)
	c.drop(func(s socket) bool {
		if s.at.path == "" || identify(s.at.path) == s.file {
			return false
		}
		moved[s.inode] = true
		return true
	})
	return moved
}

func (c *Custody) drop(condemned func(socket) bool) {
	c.held = slices.DeleteFunc(c.held, func(s socket) bool {
		if !condemned(s) {
			return false
		}
		unix.Close(s.fd)
		return true
	})
}

func texts(list []endpoint) []string {
	var s []string
	for _, e := range list {
		if t := e.String(); !slices.Contains(s, t) {
			s = append(s, t)
		}
	}
	slices.Sort(s)
	return s
}
