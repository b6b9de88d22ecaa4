package vrrptest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ngha/vrrp"
)

// backlog is how many packets wait in a Port before further ones are lost, as
// in a socket's receive buffer.
const backlog = 256

// LAN is one broadcast domain in memory. What is written to it arrives at
// once. It may be used from any goroutine; no method blocks.
type LAN struct {
	mu    sync.Mutex
	ports []*Port
	cut   map[direction]bool
	trace []Entry
}

// direction is a one-way path between two ports.
type direction struct{ from, to netip.Addr }

// Op is a kind of Entry.
type Op string

// What a Port can be asked to do.
const (
	OpWrite    Op = "write"
	OpAcquire  Op = "acquire"
	OpAnnounce Op = "announce"
	OpRelease  Op = "release"
)

// Entry is one call of a Port that succeeded, in the order of the calls.
type Entry struct {
	At     time.Time
	Port   netip.Addr
	Op     Op
	Packet vrrp.Packet // of OpWrite
}

// NewLAN returns a LAN without ports.
func NewLAN() *LAN { return &LAN{cut: make(map[direction]bool)} }

// Port plugs in a node whose primary address is addr. A second Port of the
// same address replaces the first one as receiver, as after a restart.
func (l *LAN) Port(addr netip.Addr) *Port {
	p := &Port{lan: l, addr: addr, queue: make(chan vrrp.Packet, backlog)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports = slices.DeleteFunc(l.ports, func(old *Port) bool { return old.addr == addr })
	l.ports = append(l.ports, p)
	return p
}

// Cut loses from now on what from writes to to. The other way stays open.
func (l *LAN) Cut(from, to netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[direction{from, to}] = true
}

// Heal undoes Cut.
func (l *LAN) Heal(from, to netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.cut, direction{from, to})
}

// Inject delivers p as if a stranger had written it.
func (l *LAN) Inject(p vrrp.Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deliver(p, netip.Addr{})
}

// Holders returns the addresses of the ports that have the virtual addresses
// installed, in ascending order.
func (l *LAN) Holders() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []netip.Addr
	for _, p := range l.ports {
		if p.holds {
			list = append(list, p.addr)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// Trace returns everything that was done so far.
func (l *LAN) Trace() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.trace)
}

// deliver puts p into the queues of those it is for. l.mu is held.
func (l *LAN) deliver(p vrrp.Packet, from netip.Addr) {
	for _, to := range l.ports {
		switch {
		case to.Closed(), to.addr == from, l.cut[direction{from, to.addr}]:
			continue
		case !p.Dst.IsMulticast() && p.Dst != to.addr:
			continue
		}
		p.Payload = slices.Clone(p.Payload)
		select {
		case to.queue <- p:
		default: // the backlog is full
			to.lost.Add(1)
		}
	}
}

// Port is one node's end of a LAN: it sends and receives packets and holds
// the virtual addresses. Closing it leaves the addresses where they are, so
// that a test notices who forgot to release them.
type Port struct {
	lan  *LAN
	addr netip.Addr

	queue  chan vrrp.Packet
	lost   atomic.Uint64
	closed atomic.Bool

	// The rest is guarded by lan.mu.
	holds       bool
	failWrite   failure
	failAcquire failure
}

// failure is what the next calls of a method return.
type failure struct {
	calls int // how many more; negative: all
	err   error
}

// next returns the error of the present call.
func (f *failure) next() error {
	if f.calls == 0 {
		return nil
	}
	if f.calls > 0 {
		f.calls--
	}
	return f.err
}

// Source returns the node's primary address.
func (p *Port) Source() netip.Addr { return p.addr }

// Packets delivers what comes in until Close.
func (p *Port) Packets() <-chan vrrp.Packet { return p.queue }

// Lost counts what came while the backlog was full.
func (p *Port) Lost() uint64 { return p.lost.Load() }

// Hear does nothing: what is written has come in at once.
func (p *Port) Hear() {}

// Closed reports whether Close was called.
func (p *Port) Closed() bool { return p.closed.Load() }

// WritePacket sends pkt to the port of its destination, or to every other
// port when that is a multicast group. It keeps nothing of pkt.
func (p *Port) WritePacket(pkt vrrp.Packet) error {
	pkt.Payload = slices.Clone(pkt.Payload)
	return p.do(Entry{Op: OpWrite, Packet: pkt}, func() error {
		if err := p.failWrite.next(); err != nil {
			return err
		}
		p.lan.deliver(pkt, p.addr)
		return nil
	})
}

// Acquire installs the virtual addresses.
func (p *Port) Acquire() error {
	return p.do(Entry{Op: OpAcquire}, func() error {
		if err := p.failAcquire.next(); err != nil {
			return err
		}
		p.holds = true
		return nil
	})
}

// Announce only leaves an Entry.
func (p *Port) Announce() error {
	return p.do(Entry{Op: OpAnnounce}, func() error { return nil })
}

// Release removes the virtual addresses.
func (p *Port) Release() error {
	return p.do(Entry{Op: OpRelease}, func() error {
		p.holds = false
		return nil
	})
}

// Close ends Packets. Closing twice is allowed.
func (p *Port) Close() error {
	p.closed.Store(true)
	return nil
}

// FailWrites lets the next n calls of WritePacket fail with err; n < 0 means
// all, until FailWrites is called with 0.
func (p *Port) FailWrites(n int, err error) {
	p.lan.mu.Lock()
	defer p.lan.mu.Unlock()
	p.failWrite = failure{n, err}
}

// FailAcquires lets the next n calls of Acquire fail with err; n < 0 means
// all, until FailAcquires is called with 0.
func (p *Port) FailAcquires(n int, err error) {
	p.lan.mu.Lock()
	defer p.lan.mu.Unlock()
	p.failAcquire = failure{n, err}
}

// do carries out one call and records it when it succeeds.
func (p *Port) do(e Entry, call func() error) error {
	l := p.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	// The addresses of a closed port can still be released: only the socket is
	// gone.
	if e.Op == OpWrite && p.Closed() {
		return fmt.Errorf("write to port %s: %w", p.addr, net.ErrClosed)
	}
	if err := call(); err != nil {
		return fmt.Errorf("%s at port %s: %w", e.Op, p.addr, err)
	}
	e.At, e.Port = time.Now(), p.addr
	l.trace = append(l.trace, e)
	return nil
}
