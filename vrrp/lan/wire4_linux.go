package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"ngha/vrrp"
)

// tos marks what is sent as Internetwork Control, the precedence of routing
// protocols.
const tos = 0xc0

// wire4 is IPv4's wire.
type wire4 struct {
	index int
	in    *ear
	out4
}

// out4 sends through one interface.
type out4 struct{ out *socket }

// openWire4 opens the wire of an interface. At first it hears nothing.
func openWire4(index int) (*wire4, error) {
	in, err := openHearing("vrrp", unix.AF_INET, index, ipHeader, option{unix.SOL_IP, unix.IP_PKTINFO, 1})
	if err != nil {
		return nil, err
	}
	out, err := openOut4(index)
	if err != nil {
		return nil, errors.Join(err, in.close())
	}
	return &wire4{index, in, out}, nil
}

func openOut4(index int) (out4, error) {
	// IP_RECVERR makes the kernel report packets for which the queue of the
	// interface had no room.
	out, err := openSending("ip", unix.AF_INET, index, option{unix.SOL_IP, unix.IP_MULTICAST_LOOP, 0}, option{unix.SOL_IP, unix.IP_RECVERR, 1})
	return out4{out}, err
}

func (w *wire4) read(pause func() time.Duration, deliver func(vrrp.Packet)) error {
	return w.in.receive(pause, w.parsing(deliver))
}

func (w *wire4) drain(deliver func(vrrp.Packet)) error { return w.in.drain(w.parsing(deliver)) }

func (w *wire4) parsing(deliver func(vrrp.Packet)) func(received) {
	return func(r received) {
		// Before it was bound the socket may have heard other interfaces.
		if cameIn4(r.control) != w.index {
			return
		}
		if p, ok := parseIPv4(r.packet); ok && len(p.Payload) >= 2 {
			deliver(p)
		}
	}
}

// cameIn4 is the interface that a packet came in by, as the kernel tells with
// it; 0: it does not.
func cameIn4(control []byte) int {
	head, data, _, err := unix.ParseOneSocketControlMessage(control)
	if err != nil || head.Level != unix.SOL_IP || head.Type != unix.IP_PKTINFO || len(data) < unix.SizeofInet4Pktinfo {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(data)))
}

// parseIPv4 takes an IP packet apart. The payload ends where the header says: a
// short Ethernet frame is padded.
func parseIPv4(b []byte) (p vrrp.Packet, ok bool) {
	if len(b) < ipv4.HeaderLen {
		return p, false
	}
	head, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < ipv4.HeaderLen || total < head || len(b) < head {
		return p, false
	}
	return vrrp.Packet{
		Src:     netip.AddrFrom4([4]byte(b[12:])),
		Dst:     netip.AddrFrom4([4]byte(b[16:])),
		TTL:     b[8],
		Payload: b[head:min(total, len(b))],
	}, true
}

func (w out4) write(source netip.Addr, p vrrp.Packet) error {
	head := ipv4.Header{
		Version:  ipv4.Version,
		Len:      ipv4.HeaderLen,
		TOS:      tos,
		TotalLen: ipv4.HeaderLen + len(p.Payload),
		TTL:      vrrp.TTL,
		Protocol: vrrp.Protocol,
		Src:      source.AsSlice(),
		Dst:      p.Dst.AsSlice(),
	}
	b, err := head.Marshal()
	if err != nil {
		return err
	}
	return send(w.out, append(b, p.Payload...), toIPv4(p.Dst))
}

func (w *wire4) admit(set vrids) error {
	return w.in.control(func(fd int) error { return setFilter(fd, set, ipHeader) })
}

func (w *wire4) join() error  { return w.membership(unix.IP_ADD_MEMBERSHIP) }
func (w *wire4) leave() error { return w.membership(unix.IP_DROP_MEMBERSHIP) }

func (w *wire4) membership(option int) error {
	group := unix.IPMreqn{Multiaddr: vrrp.GroupIPv4.As4(), Ifindex: int32(w.index)}
	err := w.in.control(func(fd int) error { return unix.SetsockoptIPMreqn(fd, unix.SOL_IP, option, &group) })
	if option == unix.IP_DROP_MEMBERSHIP && errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil // it went with the interface
	}
	if err != nil {
		return fmt.Errorf("membership of %s: %w", vrrp.GroupIPv4, err)
	}
	return nil
}

func (w out4) close() error   { return w.out.close() }
func (w *wire4) close() error { return errors.Join(w.in.close(), w.out4.close()) }
