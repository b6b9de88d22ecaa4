package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"ngha/vrrp"
)

// wire6 is IPv6's wire.
type wire6 struct {
	index int
	in    *ear
	out6
}

// out6 sends through one interface.
type out6 struct {
	zone uint32
	out  *socket
}

// openWire6 opens the wire of an interface. At first it hears nothing.
func openWire6(index int) (*wire6, error) {
	in, err := openHearing("vrrp6", unix.AF_INET6, index, noIPHeader,
		option{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1}, option{unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1})
	if err != nil {
		return nil, err
	}
	out, err := openOut6(index)
	if err != nil {
		return nil, errors.Join(err, in.close())
	}
	return &wire6{index, in, out}, nil
}

func openOut6(index int) (out6, error) {
	// As with IPv4 it is told when there was no room. What is longer than the
	// interface's MTU does not leave.
	out, err := openSending("ip6", unix.AF_INET6, index, option{unix.SOL_IPV6, unix.IPV6_MULTICAST_LOOP, 0}, option{unix.SOL_IPV6, unix.IPV6_RECVERR, 1})
	return out6{uint32(index), out}, err
}

func (w *wire6) read(pause func() time.Duration, deliver func(vrrp.Packet)) error {
	return w.in.receive(pause, w.parsing(deliver))
}

func (w *wire6) drain(deliver func(vrrp.Packet)) error { return w.in.drain(w.parsing(deliver)) }

func (w *wire6) parsing(deliver func(vrrp.Packet)) func(received) {
	return func(r received) {
		// Before it was bound the socket may have heard other interfaces.
		if dst, hops, index := cameIn6(r.control); index == w.index && len(r.packet) >= 2 {
			deliver(vrrp.Packet{Src: netip.AddrFrom16(r.from.Addr), Dst: dst, TTL: hops, Payload: r.packet})
		}
	}
}

// cameIn6 is what the kernel tells of a packet whose header it keeps to itself:
// where it went, its hop limit, and the interface it came in by.
func cameIn6(control []byte) (dst netip.Addr, hops uint8, index int) {
	for len(control) > 0 {
		head, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return netip.Addr{}, 0, 0
		}
		switch control = rest; {
		case head.Level != unix.SOL_IPV6:
		case head.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			dst = netip.AddrFrom16([16]byte(data))
			index = int(binary.NativeEndian.Uint32(data[16:]))
		case head.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
			hops = uint8(binary.NativeEndian.Uint32(data))
		}
	}
	return dst, hops, index
}

func (w out6) write(source netip.Addr, p vrrp.Packet) error {
	b := append(ip6Header(source, p.Dst, tos, vrrp.Protocol, len(p.Payload)), p.Payload...)
	return send(w.out, b, toIPv6(p.Dst, w.zone))
}

func (w *wire6) admit(set vrids) error {
	return w.in.control(func(fd int) error { return setFilter(fd, set, noIPHeader) })
}

func (w *wire6) join() error  { return w.membership(unix.IPV6_JOIN_GROUP) }
func (w *wire6) leave() error { return w.membership(unix.IPV6_LEAVE_GROUP) }

func (w *wire6) membership(option int) error {
	group := unix.IPv6Mreq{Multiaddr: vrrp.GroupIPv6.As16(), Interface: uint32(w.index)}
	err := w.in.control(func(fd int) error { return unix.SetsockoptIPv6Mreq(fd, unix.SOL_IPV6, option, &group) })
	if option == unix.IPV6_LEAVE_GROUP && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)) {
		return nil // it went with the interface
	}
	if err != nil {
		return fmt.Errorf("membership of %s: %w", vrrp.GroupIPv6, err)
	}
	return nil
}

func (w out6) close() error   { return w.out.close() }
func (w *wire6) close() error { return errors.Join(w.in.close(), w.out6.close()) }
