package router

import (
	"errors"
	"net/netip"
	"sync"

	"ngha/vrrp"
)

// inbox holds what others want of a Router until its loop takes it. The last
// value of a kind wins; nobody who puts one in ever waits.
type inbox struct {
	wake chan struct{} // buffered for its one message

	mu     sync.Mutex // guards the rest
	wanted wanted
	closed bool
}

// wanted is what an inbox holds; nil and false: nothing new of that kind.
type wanted struct {
	standing  *vrrp.Standing
	peers     *[]netip.Addr
	keys      *[]vrrp.Key
	port      Port // excludes fault
	fault     error
	removed   bool
	suspended bool
	turns     []chan struct{} // closed when the loop has come round
	group     bool            // another member of the group has changed
}

// SetStanding tells what the node's health allows.
func (r *Router) SetStanding(s vrrp.Standing) {
	r.inbox.put(func(w *wanted) { w.standing = &s })
}

// SetPeers names the peers of a virtual router that is Unicast.
func (r *Router) SetPeers(peers []netip.Addr) {
	r.inbox.put(func(w *wanted) { w.peers = &peers })
}

// SetKeys replaces the keys of a virtual router with Auth; the first one signs
// from now on. Where the error is not nil the old ones stay.
func (r *Router) SetKeys(keys []vrrp.Key) error {
	if r.config.Auth == nil {
		return errors.New("a virtual router without Auth has no keys")
	}
	if err := vrrp.ValidateKeys(keys); err != nil {
		return err
	}
	r.inbox.put(func(w *wanted) { w.keys = &keys })
	return nil
}

// Attach gives the Router a Port to run on, which it owns and closes. An
// earlier one is given up.
func (r *Router) Attach(p Port) {
	put := r.inbox.put(func(w *wanted) {
		if w.port != nil {
			w.port.Close() // never used: nothing can be lost
		}
		w.port, w.fault = p, nil
	})
	if !put {
		p.Close() // likewise
	}
}

// Detach takes the Port away for the reason given: the virtual router goes to
// Initialize.
func (r *Router) Detach(reason error) {
	r.inbox.put(func(w *wanted) {
		if w.port != nil {
			w.port.Close() // likewise
			w.port = nil
		}
		w.fault = reason
	})
}

// AddressRemoved tells that somebody else took a virtual address away.
func (r *Router) AddressRemoved() { r.inbox.put(func(w *wanted) { w.removed = true }) }

// Suspended tells that the machine has slept.
func (r *Router) Suspended() { r.inbox.put(func(w *wanted) { w.suspended = true }) }

// Turn returns a channel that is closed when the loop has come round once more,
// or Run has returned.
func (r *Router) Turn() <-chan struct{} {
	turn := make(chan struct{})
	if !r.inbox.put(func(w *wanted) { w.turns = append(w.turns, turn) }) {
		close(turn)
	}
	return turn
}

// put reports whether the loop may still take what f wants.
func (b *inbox) put(f func(*wanted)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	f(&b.wanted)
	select {
	case b.wake <- struct{}{}:
	default: // it is awake already
	}
	return true
}

func (b *inbox) take() wanted {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wanted
	b.wanted = wanted{}
	return w
}

// close makes every later put return false and drops what was not taken.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.wanted.port != nil {
		b.wanted.port.Close() // never used
	}
	for _, turn := range b.wanted.turns {
		close(turn)
	}
	b.wanted = wanted{}
}
