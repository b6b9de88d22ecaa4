package router

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"ngha/vrrp"
)

// Port is a virtual router's place on a LAN. A Router calls its methods from
// one goroutine.
type Port interface {
	// Source is the address that advertisements leave from.
	Source() netip.Addr
	// Packets delivers what comes in for the virtual router. Whoever fills it
	// does not wait for the Router; Lost counts what it had to drop.
	Packets() <-chan vrrp.Packet
	Lost() uint64
	// Hear returns when Packets has all that has come in until now.
	Hear()
	// WritePacket sends to p.Dst and does not block.
	WritePacket(p vrrp.Packet) error

	// Acquire, Announce and Release do what the vrrp actions of these names
	// say. They are idempotent.
	Acquire() error
	Announce() error
	Release() error

	Close() error
}

// Options tune a Router. A nil *Options, or any zero field, means the default.
type Options struct {
	Logger *slog.Logger // nil discards
	Keys   []vrrp.Key   // of a vrrp.Config with Auth; the first one signs

	// These are called from the Router's goroutine and must not block.

	// OnTransition is called when a change of state has been carried out.
	OnTransition func(vrrp.Transition)
	// OnContradiction is called when another claimant was heard while Active.
	OnContradiction func()
	// OnStranger is called when an otherwise valid advertisement for this
	// virtual router came from an address that is none of the peers.
	OnStranger func(netip.Addr)
}

// maxHearings of a Port are more than a socket's buffer has packets for.
const maxHearings = 64

// Router runs one vrrp.Machine against a LAN.
type Router struct {
	config  vrrp.Config
	machine *vrrp.Machine
	options Options
	log     *slog.Logger
	inbox   inbox
	status  atomic.Pointer[Status] // but for what tally has
	tally   tally
	member  atomic.Pointer[vrrp.Member] // what the others of its group read
	fellows []*Router                   // those others; see Bind

	// The rest belongs to Run.

	port     Port                // nil while there is none
	packets  <-chan vrrp.Packet  // of port
	lost     uint64              // packets of earlier ports
	auth     *vrrp.Authenticator // nil: none
	hearing  vrrp.Advertisement  // the last one received
	payload  []byte              // of the last advertisement sent, for its room
	counters Counters
	alarms   alarms
}

// New returns a Router for one virtual router. It does nothing until Run, and
// stays in Initialize until it has been given a Port.
func New(c vrrp.Config, o *Options) (*Router, error) {
	m, err := vrrp.NewMachine(c)
	if err != nil {
		return nil, err
	}
	r := &Router{config: c, machine: m, alarms: alarms{interval: c.Interval}}
	if o != nil {
		r.options = *o
	}
	if c.Auth != nil {
		if r.auth, err = vrrp.NewAuthenticator(*c.Auth, r.options.Keys); err != nil {
			return nil, err
		}
	}
	if r.log = r.options.Logger; r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.inbox.wake = make(chan struct{}, 1)
	r.publish(m.Status())
	return r, nil
}

// Run runs the virtual router until ctx ends, and then ends its reign in an
// orderly way, which takes one Advertisement_Interval, or a second, at most.
// When it returns no address is installed and the Port is closed.
func (r *Router) Run(ctx context.Context) error {
	defer r.inbox.close()
	defer r.detach() // also when the machine panics

	timer := time.NewTimer(0)
	defer timer.Stop()
	ended, ending := ctx.Done(), false
	for !ending || r.machine.Status().State != vrrp.Initialize {
		var due time.Time
		if due = r.machine.Deadline(); due.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(due))
		}
		select {
		case <-r.inbox.wake:
			r.catchUp()
			r.receiveInbox()
		case p := <-r.packets:
			r.receive(p)
		case <-timer.C:
			r.tally.served(time.Since(due))
			r.catchUp()
			r.consult()
			r.step(vrrp.Timer{})
		case <-ended:
			ended, ending = nil, true
			r.step(vrrp.Shutdown{})
		}
	}
	return nil
}

// receiveInbox takes what others have asked for since the last time.
func (r *Router) receiveInbox() {
	in := r.inbox.take()
	if in.peers != nil {
		r.step(vrrp.PeersChanged{Peers: *in.peers})
	}
	if in.keys != nil {
		if err := r.auth.SetKeys(*in.keys); err != nil {
			r.log.Error("keys not changed", "err", err) // SetKeys has found nothing wrong with them
		}
	}
	if in.standing != nil {
		r.step(vrrp.StandingChanged{Standing: *in.standing})
	}
	if in.suspended {
		r.step(vrrp.Suspended{})
	}
	switch {
	case in.port != nil:
		if r.port != nil {
			r.step(vrrp.Fault{Reason: "the interface changed"})
			r.detach()
		}
		r.attach(in.port)
	case in.fault != nil:
		r.step(vrrp.Fault{Reason: in.fault.Error()})
		r.detach()
	case in.removed:
		r.step(vrrp.AddressRemoved{})
	}
	if in.group {
		r.consult()
	}
	for _, turn := range in.turns {
		close(turn)
	}
}

// attach starts the virtual router on p.
func (r *Router) attach(p Port) {
	r.port, r.packets = p, p.Packets()
	r.step(vrrp.Startup{Source: p.Source()})
}

// detach gives up the port, if there is one. The machine has been told.
func (r *Router) detach() {
	if r.port == nil {
		return
	}
	if err := r.port.Release(); err != nil {
		r.log.Warn("addresses not released", "err", err)
	}
	if err := r.port.Close(); err != nil {
		r.log.Warn("port not closed", "err", err)
	}
	r.lost += r.port.Lost()
	r.port, r.packets = nil, nil
}

// catchUp takes the packets that wait already: who has spoken in time is heard in
// time. A Backup takes over for want of packets, so it looks for those, too, that
// nobody has read, as after it was frozen. In a flood that may be many; it ends
// when the Active was heard.
func (r *Router) catchUp() {
	r.receivePending()
	for range maxHearings {
		if r.machine.Status().State != vrrp.Backup || r.machine.Deadline().After(time.Now()) {
			return
		}
		r.port.Hear()
		if !r.receivePending() {
			return
		}
	}
}

// receivePending takes the packets that wait already, at most one buffer full, and
// tells whether there were some.
func (r *Router) receivePending() (some bool) {
	for range cap(r.packets) {
		select {
		case p := <-r.packets:
			r.receive(p)
			some = true
		default:
			return some
		}
	}
	return some
}

// step gives ev to the machine, performs what it answers, and tells the world
// when that changed the state. A takeover that failed on the way is none: it
// is told as a warning and nobody's hook hears of it.
func (r *Router) step(ev vrrp.Event) {
	before, received := r.status.Load(), r.tally.received.Load()
	for next := ev; next != nil; {
		next = r.perform(r.machine.Step(time.Now(), next))
	}
	after := r.machine.Status()
	if heard, ok := ev.(vrrp.Received); ok && after.Counters.Received != received {
		r.doubt(heard.Src, heard.Adv)
	}
	r.publish(after)

	if after.Counters.Contradictions != before.Counters.Contradictions && r.options.OnContradiction != nil {
		r.options.OnContradiction()
	}
	switch {
	case after.State != before.State:
		r.log.Info("state changed", "from", before.State.String(), "to", after.State.String(), "priority", after.Priority, "reason", after.Reason)
		if r.options.OnTransition != nil {
			r.options.OnTransition(vrrp.Transition{From: before.State, To: after.State, Reason: after.Reason})
		}
	case after.Reason != before.Reason:
		r.log.Warn("state kept", "state", after.State.String(), "reason", after.Reason)
	case after.Held != before.Held && after.Held != "":
		r.log.Info("held back", "state", after.State.String(), "reason", after.Held)
	}
}

// publish makes what there is to know readable for others. now is the machine's
// part of it.
func (r *Router) publish(now vrrp.Status) {
	r.tally.take(&now.Counters)
	r.counters.Lost = r.lost
	if r.port != nil {
		r.counters.Lost += r.port.Lost()
	}
	if last := r.status.Load(); last == nil || last.Status != now || last.LAN != r.counters || !same(last.Alarms, r.alarms.shown) {
		r.status.Store(&Status{Status: now, LAN: r.counters, Alarms: r.alarms.shown})
	}
	if r.config.Grouped.Name != "" {
		r.tell()
	}
}

// Status returns the latest snapshot. Any goroutine may call it.
func (r *Router) Status() Status {
	s := *r.status.Load()
	r.tally.add(&s)
	return s
}
