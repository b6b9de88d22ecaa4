package router_test

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
	"ngha/vrrp/router"
	"ngha/vrrp/vrrptest"
)

var (
	addrA   = netip.MustParseAddr("198.51.100.1")
	addrB   = netip.MustParseAddr("198.51.100.2")
	addrC   = netip.MustParseAddr("198.51.100.3")
	virtual = netip.MustParsePrefix("198.51.100.100/32")
)

// node is a running Router and what it told.
type node struct {
	*router.Router
	port        *vrrptest.Port
	cancel      func() // asks it to end
	end         func() // and waits
	transitions []string
	rebuttals   int
	strangers   []netip.Addr
	stuck       atomic.Pointer[chan struct{}] // what the loop waits for at a transition; nil: nothing
}

// start runs a Router on lan until the test or end ends it. It is in a
// synctest bubble.
func start(t *testing.T, lan *vrrptest.LAN, addr netip.Addr, c vrrp.Config) *node {
	t.Helper()
	return startWith(t, lan, addr, c, router.Options{})
}

// startWith is start with more options.
func startWith(t *testing.T, lan *vrrptest.LAN, addr netip.Addr, c vrrp.Config, o router.Options) *node {
	t.Helper()
	n := newNode(t, lan, addr, c, o)
	n.run(t, n.port)
	return n
}

// newNode makes a Router that does not run yet.
func newNode(t *testing.T, lan *vrrptest.LAN, addr netip.Addr, c vrrp.Config, o router.Options) *node {
	t.Helper()
	n := &node{port: lan.Port(addr)}
	c.VRID, c.Addrs = 7, []netip.Prefix{virtual}
	o.OnTransition = func(tr vrrp.Transition) {
		n.transitions = append(n.transitions, tr.From.String()+" "+tr.To.String())
		if free := n.stuck.Load(); free != nil {
			<-*free
		}
	}
	o.OnContradiction = func() { n.rebuttals++ }
	o.OnStranger = func(a netip.Addr) { n.strangers = append(n.strangers, a) }
	var err error
	n.Router, err = router.New(c, &o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run runs n on p until the test or end ends it.
func (n *node) run(t *testing.T, p router.Port) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx); err != nil {
			t.Errorf("run %s: %v", n.port.Source(), err)
		}
	}()
	n.cancel = cancel
	n.end = func() { cancel(); <-done }
	t.Cleanup(n.end)
	n.Attach(p)
}

func wantState(t *testing.T, n *node, want vrrp.State) {
	t.Helper()
	synctest.Wait()
	if got := n.Status(); got.State != want {
		t.Fatalf("state of %s after %s: %s (%s), want %s", n.port.Source(), time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), got.State, got.Reason, want)
	}
}

func wantHolders(t *testing.T, lan *vrrptest.LAN, want ...netip.Addr) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, lan.Holders(), cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); diff != "" {
		t.Fatalf("holders (-want +got):\n%s", diff)
	}
}

// bubble runs f in fake time.
func bubble(t *testing.T, f func(t *testing.T, lan *vrrptest.LAN)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, vrrptest.NewLAN()) })
}
