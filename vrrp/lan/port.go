package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ngha/vrrp"
)

// Port is one virtual router's hold on an interface. A Network opens it and
// hands it over; the receiver closes it. Its methods may be called from one
// goroutine at a time, and Close from any.
type Port struct {
	place
	vrid  uint8
	lease uint32 // seconds

	log      *slog.Logger
	pool     *pool
	shares   []key // what of the pool is to be given back
	segment  *segment
	member   *member
	arp      *socket
	requests *requests
	faces    *faces // nil: the addresses are at the interface's own MAC address

	held      atomic.Bool // the addresses are ours to have
	installed atomic.Bool // ... and all are there, as far as is known: their leases need but be renewed
	leases    []message   // that renew them; constant once installed
	missing   func()      // tells the receiver that addresses are not there

	mac    atomic.Pointer[mac] // the Network keeps it up to date
	cut    atomic.Bool         // the interface has lost its carrier, and this Port is given up
	closed atomic.Bool
}

// open opens a Port at a place and removes what a killed run left there: what
// is one of the virtual addresses and carries our tag.
// missing is told when addresses that it has installed are not there any more.
func (n *Network) open(s Spec, at place, missing func()) (*Port, error) {
	p := &Port{place: at, vrid: s.VRID, lease: s.lease(), log: s.logger(), pool: &n.pool, missing: missing}
	l := n.table.links[at.index]
	p.mac.Store(&l.mac)
	err := p.join(n.log, s)
	if err == nil {
		err = p.clearFaces(l, &n.table)
	}
	if err == nil && s.VirtualMAC {
		err = p.openFaces(l)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for vrid %d: %w", at.name, s.VRID, err), p.Close())
	}
	if p.faces != nil {
		n.table.learn(p.faces)
	} else if networked(p.addrs) {
		if err := p.requests.keepSecondaries(p.index); err != nil {
			p.log.Warn("addresses of the node's own that join a virtual one's network may go with it", "iface", p.name, "err", err)
		}
	}
	for _, a := range n.table.addrs {
		if a.index != at.index || !a.tagged || !s.virtual(a.local.Addr()) {
			continue
		}
		if err := p.requests.remove(a.index, a.local); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.log.Info("leftover address removed", "iface", at.name, "address", a.local)
	}
	return p, nil
}

// join takes what the Port shares with others.
func (p *Port) join(log *slog.Logger, s Spec) (err error) {
	if p.requests, err = share(p, key{what: "netlink"}, openRequests); err != nil {
		return err
	}
	if p.arp, err = share(p, key{"arp", p.index}, func() (*socket, error) { return openARP(p.index, false) }); err != nil {
		return err
	}
	what, openWire := "ipv4", func() (wire, error) { return openWire4(p.index) }
	if p.source.Is6() {
		what, openWire = "ipv6", func() (wire, error) { return openWire6(p.index) }
	}
	if p.segment, err = share(p, key{what, p.index}, func() (*segment, error) {
		w, err := openWire()
		if err != nil {
			return nil, err
		}
		return newSegment(w, log.With("iface", p.name)), nil
	}); err != nil {
		return err
	}
	p.member, err = p.segment.join(s.VRID, s.Multicast, s.Interval)
	return err
}

// share takes one thing of the Port's pool.
func share[T closer](p *Port, k key, open func() (T, error)) (T, error) {
	t, err := take(p.pool, k, open)
	if err == nil {
		p.shares = append(p.shares, k)
	}
	return t, err
}

// Name is the interface's name.
func (p *Port) Name() string { return p.name }

// Source is the interface's own address from which packets are sent, of the
// election's family: over IPv4 the primary one. It is never a virtual one.
func (p *Port) Source() netip.Addr { return p.source }

// Packets delivers the VRRP packets for this virtual router that come in on the
// interface, by multicast or unicast, until Close. They belong to the receiver.
// Those that it is too slow for are dropped, see Lost. The channel is never
// closed.
func (p *Port) Packets() <-chan vrrp.Packet { return p.member.packets }

// Hear has Packets deliver all that came in until now, also where nobody has had
// the time yet to read it.
func (p *Port) Hear() { p.segment.drain() }

// Lost counts the packets that were dropped since too many waited in Packets.
func (p *Port) Lost() uint64 { return p.member.lost.Load() }

// WritePacket sends w.Payload from Source to w.Dst, the multicast group or a
// node, with TTL 255, whatever w says of the source and the TTL. It never
// waits: what the kernel has no room for is an error, as are ENETDOWN and a
// firewall's EPERM. Nothing that is sent comes back to this node, and nothing
// leaves when the carrier is back that was sent without one.
func (p *Port) WritePacket(w vrrp.Packet) error {
	var err error
	switch {
	case p.closed.Load():
		err = net.ErrClosed // others may still have use for the socket
	case p.cut.Load():
		err = unix.ENETDOWN // the kernel would keep the packet for a neighbour that it has to find first
	default:
		err = p.sender(w.Dst).write(p.source, w)
	}
	if err != nil {
		return fmt.Errorf("send to %s on %s: %w", w.Dst, p.name, err)
	}
	return nil
}

// Acquire installs the virtual addresses, and tries them all. Where they are
// installed it has their leases renewed, in a moment, together with those of
// others; should that fail the receiver is told by AddressRemoved.
func (p *Port) Acquire() error {
	if p.closed.Load() {
		return fmt.Errorf("acquire on %s: %w", p.name, net.ErrClosed)
	}
	p.held.Store(true)
	if p.faces != nil {
		if err := p.faces.show(); err != nil {
			return err
		}
	}
	if p.installed.Load() {
		p.requests.renew(p)
		return nil
	}
	var errs []error
	var leases []message
	for _, a := range p.addrs {
		m := lease(p.home(a.Addr()), a, p.lease)
		if err := p.requests.do(m); err != nil {
			errs = append(errs, fmt.Errorf("add %s to %s: %w", a, p.name, err))
		}
		leases = append(leases, m.quiet())
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if p.leases == nil {
		p.leases = leases
	}
	p.installed.Store(true)
	return nil
}

// notRenewed has the addresses installed anew, or the receiver learn why they
// cannot be.
func (p *Port) notRenewed(err error) {
	p.log.Debug("leases not renewed", "iface", p.name, "err", err)
	p.removed()
}

// removed says that some of the addresses are not there, although they should be.
func (p *Port) removed() {
	p.installed.Store(false)
	p.missing()
}

// Release removes the virtual addresses. It is no error when they, or the
// interface, are gone. It tries them all.
func (p *Port) Release() error {
	p.held.Store(false)
	p.installed.Store(false)
	var errs []error
	for _, a := range p.addrs {
		errs = append(errs, p.remove(a))
	}
	if p.faces != nil {
		p.faces.hide()
	}
	return errors.Join(errs...)
}

func (p *Port) remove(a netip.Prefix) error {
	if p.closed.Load() {
		return fmt.Errorf("remove %s from %s: %w", a, p.name, net.ErrClosed)
	}
	if err := p.requests.remove(p.home(a.Addr()), a); err != nil {
		return fmt.Errorf("remove %s from %s: %w", a, p.name, err)
	}
	return nil
}

// Close ends Packets and all that the Port can do. It leaves the addresses
// alone, but for those at a virtual MAC address, which goes. A second Close does
// nothing.
func (p *Port) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	var err error
	if p.member != nil {
		err = p.segment.leave(p.member)
	}
	if p.faces != nil {
		err = errors.Join(err, p.faces.close())
	}
	return errors.Join(err, p.pool.give(p.shares...))
}

// setMAC is the Network's word that the interface has another hardware address.
// Clients must learn it at once where it serves a virtual address.
func (p *Port) setMAC(hardware mac) {
	if old := p.mac.Swap(&hardware); *old == hardware || !p.held.Load() || p.faces != nil {
		return
	}
	if err := p.Announce(); err != nil {
		p.log.Warn("new hardware address not announced", "iface", p.name, "err", err)
	}
}
