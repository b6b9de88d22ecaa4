package lan

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// reopenAfter is the pause before a Port that could not be opened on a usable
// interface, for want of memory or a file descriptor, is tried again.
const reopenAfter = 5 * time.Second

// Sink is told what becomes of an interface. Its functions are called one at a
// time, and must not block. Up and Down are needed, the others may be nil.
type Sink struct {
	// Up hands over a Port as soon as the interface can be used. Its receiver
	// owns it and closes it; where it does so before Down it is told no more.
	Up func(*Port)
	// Down says why there is no Port (any more): the one handed over by Up
	// must be given up. It is called at the start too, when there is none at
	// once, and again whenever the reason changes.
	Down func(reason error)
	// Steady says, before Up, until when the interface's link, which has been lost
	// again and again lately, is not to be relied on: another node should be
	// preferred. Zero, it is to be relied on again.
	Steady func(from time.Time)
	// AddressRemoved says that a virtual address, which the Port holds, was
	// taken off the interface by somebody else, or by the kernel since its
	// lease has ended, or that its lease could not be renewed.
	AddressRemoved func()
	// Suspended says that the machine slept.
	Suspended func()
}

func (k Sink) withDefaults() Sink {
	if k.Steady == nil {
		k.Steady = func(time.Time) {}
	}
	if k.AddressRemoved == nil {
		k.AddressRemoved = func() {}
	}
	if k.Suspended == nil {
		k.Suspended = func() {}
	}
	return k
}

// watcher is one virtual router's view of a Network.
type watcher struct {
	spec Spec
	sink Sink
	log  *slog.Logger

	mu      sync.Mutex // held while the sink is called
	stopped bool

	// The rest belongs to Network.Run.

	settled bool
	port    *Port     // handed over and not taken back, or nil
	reason  string    // the last one told
	again   time.Time // when to try once more to open one; zero: never
	refused place     // where it could not be opened
	flaps   flaps
}

// stop keeps the sink from being called.
func (w *watcher) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// tell calls a function of the sink, unless that has ended.
func (w *watcher) tell(f func()) (told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		f()
	}
	return !w.stopped
}

// forget makes w begin anew, with the next Run.
func (w *watcher) forget() {
	w.settled, w.port, w.reason, w.again = false, nil, "", time.Time{}
}

// holder tells whether a is an address of w's Port.
func (w *watcher) holder(a *address) bool {
	return w.port != nil && w.port.has(a)
}

// deadline is when to settle without a notice; zero: never.
func (w *watcher) deadline() time.Time {
	if w.again.IsZero() || !w.flaps.until.IsZero() && w.flaps.until.Before(w.again) {
		return w.flaps.until
	}
	return w.again
}

func (w *watcher) due(now time.Time) bool {
	d := w.deadline()
	return !d.IsZero() && !now.Before(d)
}

// relisted takes in a table that was listed anew.
func (w *watcher) relisted(n *Network) {
	p := w.port
	w.settle(n)
	if p == nil || p != w.port || !p.held.Load() {
		return
	}
	if slices.ContainsFunc(p.addrs, func(a netip.Prefix) bool { return !n.table.has(p.home(a.Addr()), a) }) {
		p.removed()
	}
}

// settle compares the place that there is with the one that is used.
func (w *watcher) settle(n *Network) {
	w.settled = true
	if w.port != nil && w.port.closed.Load() {
		return // its receiver wants no other: its faces go, and that is no loss
	}
	if w.flaps.over(time.Now()) {
		w.tell(func() { w.sink.Steady(time.Time{}) })
	}
	var held *place
	if w.port != nil && w.port.held.Load() {
		held = &w.port.place
	}
	at, err := choose(w.spec, &n.table, held)
	err = whyNoIPv6(err)
	if err == nil && w.port != nil {
		reason := w.port.differs(at)
		if reason == nil && w.port.faces != nil {
			reason = w.port.faces.missing(&n.table)
		}
		if reason == nil {
			w.port.setMAC(n.table.links[at.index].mac)
			return
		}
		w.down(reason)
	}
	if err != nil {
		if _, lost := errors.AsType[linkError](err); lost && w.port != nil {
			w.flaps.lost(time.Now())
			w.port.cut.Store(true)
		}
		w.down(err)
		return
	}
	if time.Now().Before(w.again) && w.refused.differs(at) == nil {
		return // what was undone of the last try may be why we are asked
	}
	w.up(n, at)
}

func (w *watcher) up(n *Network, at place) {
	p, err := n.open(w.spec, at, func() { w.tell(w.sink.AddressRemoved) })
	if err != nil {
		w.down(err)
		w.again, w.refused = time.Now().Add(reopenAfter), at
		return
	}
	w.port, w.reason, w.again = p, "", time.Time{}
	if !w.tell(func() {
		if until := w.flaps.back(time.Now()); !until.IsZero() {
			w.sink.Steady(until)
		}
		w.sink.Up(p)
	}) {
		w.port = nil
		if err := p.Close(); err != nil {
			w.log.Warn("port not closed", "err", err)
		}
	}
}

func (w *watcher) down(reason error) {
	w.port, w.again = nil, time.Time{}
	if reason.Error() == w.reason {
		return
	}
	w.reason = reason.Error()
	w.tell(func() { w.sink.Down(reason) })
}
