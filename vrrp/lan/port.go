package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv4"

	"ngha/vrrp"
)

const (
	// tos marks what is sent as Internetwork Control, the precedence of
	// routing protocols.
	tos = 0xc0
	// maxPacket is more than the longest advertisement: IP header with all its
	// options, 255 addresses, authentication data.
	maxPacket = 2048
)

// Port is one virtual router's hold on an interface. Watch opens it and hands
// it over; the receiver closes it. ReadPacket and Close may be called from any
// goroutine, the others from one at a time.
type Port struct {
	place
	vrid     uint8
	lease    uint32 // seconds
	in       *ipv4.RawConn
	out, arp *socket
	requests *requests

	held   atomic.Bool         // the addresses are ours to have
	mac    atomic.Pointer[mac] // the watcher keeps it up to date
	closed atomic.Bool
}

// open opens a Port at a place and removes what a killed run left there: what
// is one of the virtual addresses and carries our tag.
func open(s Spec, at place, hardware mac, t *table) (*Port, error) {
	p := &Port{place: at, vrid: s.VRID, lease: s.lease()}
	p.mac.Store(&hardware)
	if err := p.openSockets(s.Multicast); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for vrid %d: %w", at.name, s.VRID, err), p.Close())
	}
	for _, a := range t.addrs {
		if a.index != at.index || !a.tagged || !s.virtual(a.local.Addr()) {
			continue
		}
		if err := p.remove(a.local); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		s.logger().Info("leftover address removed", "iface", at.name, "vrid", s.VRID, "address", a.local)
	}
	return p, nil
}

func (p *Port) openSockets(multicast bool) (err error) {
	if p.in, err = listen(p.index, p.vrid, multicast); err != nil {
		return err
	}
	if p.out, err = openIP(p.index); err != nil {
		return err
	}
	if p.arp, err = openARP(p.index, false); err != nil {
		return err
	}
	p.requests, err = openRequests()
	return err
}

// Name is the interface's name.
func (p *Port) Name() string { return p.name }

// Source is the interface's primary address, from which packets are sent. It
// is never a virtual one.
func (p *Port) Source() netip.Addr { return p.source }

// ReadPacket waits for the next VRRP packet for this virtual router that came
// in on the interface, by multicast or unicast. The packet belongs to the
// caller. After Close the error is net.ErrClosed.
func (p *Port) ReadPacket() (vrrp.Packet, error) {
	b := make([]byte, maxPacket)
	for {
		head, payload, control, err := p.in.ReadFrom(b)
		if err != nil {
			return vrrp.Packet{}, fmt.Errorf("read from %s: %w", p.name, err)
		}
		// The filter was not there yet when the oldest packets came.
		if control == nil || control.IfIndex != p.index || len(payload) < 2 || payload[1] != p.vrid {
			continue
		}
		return packet(head, payload), nil
	}
}

// packet cuts the payload where the IP header says it ends: a short Ethernet
// frame is padded.
func packet(head *ipv4.Header, payload []byte) vrrp.Packet {
	src, _ := netip.AddrFromSlice(head.Src.To4())
	dst, _ := netip.AddrFromSlice(head.Dst.To4())
	if n := head.TotalLen - head.Len; n >= 0 && n < len(payload) {
		payload = payload[:n]
	}
	return vrrp.Packet{Src: src, Dst: dst, TTL: uint8(head.TTL), Payload: payload}
}

// WritePacket sends w.Payload from Source to w.Dst, the multicast group or a
// node, with TTL 255, whatever w says of the source and the TTL. It never
// waits: what the kernel has no room for is an error, as are ENETDOWN and a
// firewall's EPERM. Nothing that is sent comes back to this node.
func (p *Port) WritePacket(w vrrp.Packet) error {
	head := ipv4.Header{
		Version:  ipv4.Version,
		Len:      ipv4.HeaderLen,
		TOS:      tos,
		TotalLen: ipv4.HeaderLen + len(w.Payload),
		TTL:      vrrp.TTL,
		Protocol: vrrp.Protocol,
		Src:      p.source.AsSlice(),
		Dst:      w.Dst.AsSlice(),
	}
	b, err := head.Marshal()
	if err == nil {
		err = p.out.send(append(b, w.Payload...), ipTo(w.Dst))
	}
	if err != nil {
		return fmt.Errorf("send to %s on %s: %w", w.Dst, p.name, err)
	}
	return nil
}

// Acquire installs the virtual addresses, and renews the lease of those that
// are installed. It tries them all.
func (p *Port) Acquire() error {
	p.held.Store(true)
	var errs []error
	for _, a := range p.addrs {
		if err := p.requests.install(p.index, a, p.lease); err != nil {
			errs = append(errs, fmt.Errorf("add %s to %s: %w", a, p.name, err))
		}
	}
	return errors.Join(errs...)
}

// Release removes the virtual addresses. It is no error when they, or the
// interface, are gone. It tries them all.
func (p *Port) Release() error {
	p.held.Store(false)
	var errs []error
	for _, a := range p.addrs {
		errs = append(errs, p.remove(a))
	}
	return errors.Join(errs...)
}

func (p *Port) remove(a netip.Prefix) error {
	if err := p.requests.remove(p.index, a); err != nil {
		return fmt.Errorf("remove %s from %s: %w", a, p.name, err)
	}
	return nil
}

// Close closes the sockets and ends a ReadPacket that waits. It leaves the
// addresses alone. A second Close does nothing.
func (p *Port) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	var errs []error
	if p.in != nil {
		errs = append(errs, p.in.Close())
	}
	for _, s := range []*socket{p.out, p.arp} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	if p.requests != nil {
		p.requests.close()
	}
	return errors.Join(errs...)
}

// setMAC is the watcher's word that the interface has another hardware address.
// Clients must learn it at once where it serves a virtual address.
func (p *Port) setMAC(hardware mac, log *slog.Logger) {
	if old := p.mac.Swap(&hardware); *old == hardware || !p.held.Load() {
		return
	}
	if err := p.Announce(); err != nil {
		log.Warn("new hardware address not announced", "iface", p.name, "err", err)
	}
}
