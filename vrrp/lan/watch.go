package lan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// reopenAfter is the pause before a Port that could not be opened on a usable
// interface, for want of memory or a file descriptor, is tried again.
const reopenAfter = 5 * time.Second

// Sink is told what becomes of the interface. Its functions are called from the
// goroutine that called Watch, one at a time, and must not block. Up and Down
// are needed, the others may be nil.
type Sink struct {
	// Up hands over a Port as soon as the interface can be used. Its receiver
	// owns it and closes it.
	Up func(*Port)
	// Down says why there is no Port (any more): the one handed over by Up
	// must be given up. It is called at the start too, when there is none at
	// once, and again whenever the reason changes.
	Down func(reason error)
	// AddressRemoved says that a virtual address, which the Port holds, was
	// taken off the interface by somebody else, or by the kernel since its
	// lease has ended.
	AddressRemoved func()
	// Suspended says that the machine slept.
	Suspended func()
}

// Watch watches the interface that s asks for until ctx ends, and then returns
// nil. Any other end is an error: s is invalid, or the kernel refuses the
// subscription. Ports stay with their receiver.
func Watch(ctx context.Context, s Spec, k Sink) error {
	if err := s.validate(); err != nil {
		return err
	}
	learnByteOrder()
	if k.AddressRemoved == nil {
		k.AddressRemoved = func() {}
	}
	if k.Suspended == nil {
		k.Suspended = func() {}
	}
	w := &watcher{spec: s, sink: k, log: s.logger().With("vrid", s.VRID)}
	sleep, err := openAlarm()
	if err != nil {
		return err
	}
	woken := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer sleep.close()
	wg.Go(func() {
		if err := watchSleep(sleep, woken); !errors.Is(err, os.ErrClosed) {
			w.log.Error("suspends are not noticed any more", "err", err)
		}
	})

	for {
		err := w.follow(ctx, woken)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // notifications were lost: see all anew
			w.log.Debug("notifications of the kernel lost")
		default:
			return err
		}
	}
}

// watchSleep puts a token into woken after each suspend, until a is closed.
func watchSleep(a *alarm, woken chan<- struct{}) error {
	before, err := timeAsleep()
	for err == nil {
		if err = a.wait(); err != nil {
			break
		}
		var now time.Duration
		if now, err = timeAsleep(); err == nil && slept(before, now) {
			select {
			case woken <- struct{}{}:
			default: // one that waits tells as much
			}
		}
		before = now
	}
	return err
}

// watcher is the state of one Watch, all of it owned by its goroutine.
type watcher struct {
	spec Spec
	sink Sink
	log  *slog.Logger

	table  table
	port   *Port            // handed over and not taken back, or nil
	reason string           // the last one told
	reopen <-chan time.Time // set after a Port could not be opened
	untag  bool             // it was told that the kernel keeps no tag
}

// notice is what came from the kernel's subscription.
type notice struct {
	updates []update
	err     error
}

// follow subscribes, lists what there is, and follows the changes until ctx
// ends or notifications are lost.
func (w *watcher) follow(ctx context.Context, woken <-chan struct{}) error {
	sub, err := subscribe()
	if err != nil {
		return err
	}
	notices, done := make(chan notice), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	defer sub.Close()
	wg.Go(func() { read(sub, notices, done) })

	// What changes meanwhile is in the list, or comes as a notice, or both.
	if w.table, err = list(); err != nil {
		return err
	}
	w.refresh()
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-notices:
			if n.err != nil {
				return fmt.Errorf("receive notifications of interfaces and addresses: %w", n.err)
			}
			w.update(n.updates)
		case <-woken:
			w.sink.Suspended()
		case <-w.reopen:
			w.reopen = nil
			w.settle()
		}
	}
}

// read hands on notices until there is an error, the last one.
func read(sub *nl.NetlinkSocket, notices chan<- notice, done <-chan struct{}) {
	for {
		updates, err := receive(sub)
		select {
		case notices <- notice{updates, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

// refresh takes in a table that was listed anew.
func (w *watcher) refresh() {
	p := w.port
	w.settle()
	if p == nil || p != w.port || !p.held.Load() {
		return
	}
	for _, a := range p.addrs {
		if !w.table.has(p.index, a) {
			w.sink.AddressRemoved()
			return
		}
	}
}

// update takes in changes.
func (w *watcher) update(updates []update) {
	changed, removed := false, false
	for _, u := range updates {
		changed = w.table.apply(u) || changed
		removed = removed || w.removed(u)
		w.checkTag(u)
	}
	p := w.port
	if changed {
		w.settle()
	}
	if removed && p == w.port {
		w.sink.AddressRemoved()
	}
}

// removed tells whether u takes an address from a Port that holds it. The
// Port's own removals are known by its netlink port.
func (w *watcher) removed(u update) bool {
	return u.gone && w.ours(u) && u.by != w.port.requests.port && w.port.held.Load()
}

// ours tells whether u is about an address of the Port.
func (w *watcher) ours(u update) bool {
	if u.addr == nil || w.port == nil || u.addr.index != w.port.index {
		return false
	}
	for _, a := range w.port.addrs {
		if a == u.addr.local {
			return true
		}
	}
	return false
}

// checkTag looks whether the kernel has kept the tag of what the Port installed.
func (w *watcher) checkTag(u update) {
	if w.untag || u.gone || !w.ours(u) || u.addr.tagged || u.by != w.port.requests.port {
		return
	}
	w.untag = true
	w.log.Warn("this kernel does not mark addresses: what a killed run leaves stays until its lease ends", "iface", w.port.name, "address", u.addr.local)
}

// settle compares the place that there is with the one that is used.
func (w *watcher) settle() {
	var held *place
	if w.port != nil && w.port.held.Load() {
		held = &w.port.place
	}
	at, err := choose(w.spec, &w.table, held)
	if err == nil && w.port != nil {
		reason := w.port.differs(at)
		if reason == nil {
			w.port.setMAC(w.table.links[at.index].mac, w.log)
			return
		}
		w.down(reason)
	}
	if err != nil {
		w.down(err)
		return
	}
	w.up(at)
}

func (w *watcher) up(at place) {
	p, err := open(w.spec, at, w.table.links[at.index].mac, &w.table)
	if err != nil {
		w.down(err)
		w.reopen = time.After(reopenAfter)
		return
	}
	w.port, w.reason, w.reopen = p, "", nil
	w.sink.Up(p)
}

func (w *watcher) down(reason error) {
	w.port, w.reopen = nil, nil
	if reason.Error() == w.reason {
		return
	}
	w.reason = reason.Error()
	w.sink.Down(reason)
}
