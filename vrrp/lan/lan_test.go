package lan

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
	"ngha/vrrp"
)

// limit is how long a test waits for what must happen.
const limit = 20 * time.Second

const vip = "198.51.100.100/32"

// spec is a virtual router on an unnamed interface.
func spec(addrs ...string) Spec {
	s := Spec{VRID: 7, Interval: 20 * time.Second, Multicast: true}
	for _, a := range addrs {
		s.Addrs = append(s.Addrs, netip.MustParsePrefix(a))
	}
	return s
}

// named is a virtual router on the interface of that name.
func named(name string, addrs ...string) Spec {
	s := spec(addrs...)
	s.Interface = name
	return s
}

// sorted compares lists of addresses whose order is the kernel's affair.
var sorted = cmpopts.SortSlices(func(a, b string) bool { return a < b })

// errFound is what a condition that does not hold has found.
func errFound(found any) error { return fmt.Errorf("found %+v", found) }

// inside runs f on a thread of its own in h's network namespace and closes the
// channel it returns when f has ended. The thread ends with it. Host.Do would
// keep the host busy for as long.
func inside(t *testing.T, h *testenv.Host, f func()) <-chan struct{} {
	t.Helper()
	var ns *os.File
	if err := h.Do(func() (err error) {
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	entered, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		ns.Close()
		if entered <- err; err == nil {
			f()
		}
	}()
	if err := <-entered; err != nil {
		t.Fatalf("enter the namespace of %s: %v", h, err)
	}
	return done
}

// event is one call of a Sink's function.
type event struct {
	up      *Port
	down    error
	removed bool
}

func (e event) String() string {
	switch {
	case e.up != nil:
		return "up on " + e.up.Name()
	case e.removed:
		return "address removed"
	}
	return "down: " + e.down.Error()
}

// watched is a virtual router that is watched in a Network of its own, which
// runs in a host.
type watched struct {
	t       *testing.T
	events  chan event
	network *Network
	unwatch func()
	stop    func() error // ends Run, waits, and returns its error; may be called twice
}

func watch(t *testing.T, h *testenv.Host, s Spec) *watched {
	t.Helper()
	return watchWith(t, h, s, func(event) {})
}

// watchWith calls hook from the Sink with each event, before it is passed on.
func watchWith(t *testing.T, h *testenv.Host, s Spec, hook func(event)) *watched {
	t.Helper()
	w := newWatched(t, NewNetwork(nil), s, hook)
	w.run(h)
	return w
}

// newWatched watches s in a Network that may run already.
func newWatched(t *testing.T, n *Network, s Spec, hook func(event)) *watched {
	t.Helper()
	w := &watched{t: t, events: make(chan event, 1000), network: n}
	tell := func(e event) {
		hook(e)
		w.events <- e
	}
	var err error
	w.unwatch, err = n.Watch(s, Sink{
		Up:             func(p *Port) { tell(event{up: p}) },
		Down:           func(reason error) { tell(event{down: reason}) },
		AddressRemoved: func() { tell(event{removed: true}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.unwatch()
		for len(w.events) > 0 {
			if e := <-w.events; e.up != nil {
				e.up.Close()
			}
		}
	})
	return w
}

// run runs w's Network in h until the test or stop ends it.
func (w *watched) run(h *testenv.Host) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var err error
	done := inside(w.t, h, func() { err = w.network.Run(ctx) })
	w.stop = func() error {
		cancel()
		<-done
		return err
	}
	w.t.Cleanup(func() {
		if err := w.stop(); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

func (w *watched) next() event {
	w.t.Helper()
	return next(w.t, w.events)
}

// port waits for Up, after any number of Downs, and closes the port at the end.
func (w *watched) port() *Port {
	w.t.Helper()
	for {
		e := w.next()
		if e.removed {
			w.t.Fatalf("event %q, want up", e)
		}
		if e.up != nil {
			w.t.Cleanup(func() { e.up.Close() })
			return e.up
		}
	}
}

// down waits for a Down whose reason names all the words, after any number of
// other Downs.
func (w *watched) down(words ...string) {
	w.t.Helper()
	for {
		e := w.next()
		if e.down == nil {
			w.t.Fatalf("event %q, want down: %v", e, words)
		}
		if naming(e.down, words...) {
			return
		}
	}
}

// first expects Down with such a reason as the very next event.
func (w *watched) first(words ...string) {
	w.t.Helper()
	if e := w.next(); e.down == nil || !naming(e.down, words...) {
		w.t.Fatalf("event %q, want down: %v", e, words)
	}
}

// removed expects AddressRemoved as the very next event.
func (w *watched) removed() {
	w.t.Helper()
	if e := w.next(); !e.removed {
		w.t.Fatalf("event %q, want address removed", e)
	}
}

func naming(err error, words ...string) bool {
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			return false
		}
	}
	return true
}

// must runs f in h, as an administrator would.
func must(t *testing.T, h *testenv.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

func addAddress(t *testing.T, h *testenv.Host, name, a string) {
	t.Helper()
	must(t, h, func() error { return onLink(name, a, netlink.AddrAdd) })
}

func delAddress(t *testing.T, h *testenv.Host, name, a string) {
	t.Helper()
	must(t, h, func() error { return onLink(name, a, netlink.AddrDel) })
}

func onLink(name, a string, do func(netlink.Link, *netlink.Addr) error) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(a)
	if err != nil {
		return err
	}
	if err := do(l, addr); err != nil {
		return fmt.Errorf("%s on %s: %w", a, name, err)
	}
	return nil
}

// addresses are h's addresses as the kernel has them, lo's left out and the
// link-local ones that the kernel makes.
func addresses(t *testing.T, h *testenv.Host) []address {
	t.Helper()
	var all []address
	must(t, h, func() error {
		tab, err := list()
		for _, a := range tab.addrs {
			kernels := a.local.Addr().Is6() && a.local.Addr().IsLinkLocalUnicast() && !a.tagged
			if !tab.links[a.index].loopback && !kernels {
				all = append(all, a)
			}
		}
		return err
	})
	return all
}

// holds are those addresses as text, the tagged ones with "ours".
func holds(t *testing.T, h *testenv.Host) []string {
	t.Helper()
	var all []string
	for _, a := range addresses(t, h) {
		s := a.local.String()
		if a.tagged {
			s += " ours"
		}
		all = append(all, s)
	}
	return all
}

// hear returns p's packets, and closes p at the test's end at the latest.
func hear(t *testing.T, p *Port) <-chan vrrp.Packet {
	t.Helper()
	t.Cleanup(func() { p.Close() })
	return p.Packets()
}

// next waits for what a channel delivers.
func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(limit):
		t.Fatalf("no %T came", v)
	}
	return v
}

func write(t *testing.T, p *Port, dst string, payload ...byte) {
	t.Helper()
	if err := p.WritePacket(vrrp.Packet{Dst: netip.MustParseAddr(dst), Payload: payload}); err != nil {
		t.Fatal(err)
	}
}

func acquire(t *testing.T, p *Port) {
	t.Helper()
	if err := p.Acquire(); err != nil {
		t.Fatal(err)
	}
}
