package lan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"ngha/vrrp"
)

// listen opens the socket that hears the virtual router's packets on one
// interface. Packets that came in before it was bound to the interface may wait
// in it: the control message with each packet tells.
func listen(index int, vrid uint8, multicast bool) (*ipv4.RawConn, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if cerr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index)
		}); cerr != nil {
			return cerr
		}
		return os.NewSyscallError("bind to interface", err)
	}}
	conn, err := c.ListenPacket(context.Background(), fmt.Sprintf("ip4:%d", vrrp.Protocol), "0.0.0.0")
	if err != nil {
		return nil, err
	}
	raw, err := ipv4.NewRawConn(conn)
	if err == nil {
		err = raw.SetControlMessage(ipv4.FlagInterface, true)
	}
	if err == nil {
		err = setFilter(raw, vrid)
	}
	if err == nil && multicast {
		group := &net.IPAddr{IP: vrrp.GroupIPv4.AsSlice()}
		if err = raw.JoinGroup(&net.Interface{Index: index}, group); err != nil {
			err = fmt.Errorf("join %s: %w", vrrp.GroupIPv4, err)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return raw, nil
}

// setFilter lets the kernel drop the packets of other virtual routers, of which
// there may be 254 on the same LAN.
func setFilter(c *ipv4.RawConn, vrid uint8) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadMemShift{Off: 0},          // X: the length of the IP header
		bpf.LoadIndirect{Off: 1, Size: 1}, // VRID; a packet too short to have one is dropped
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(vrid), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	if err := c.SetBPF(program); err != nil {
		return fmt.Errorf("set filter: %w", err)
	}
	return nil
}

// interactive is the priority of what goes before bulk in the interface's queue.
const interactive = 6

// socket is one that sends at once or returns an error.
type socket struct {
	file *os.File
	conn syscall.RawConn
}

// openIP opens a socket for whole IP packets on one interface. It is of
// protocol IPPROTO_RAW, so that it hears nothing, ICMP errors included.
// IP_RECVERR makes the kernel report packets for which the queue of the
// interface had no room.
func openIP(index int) (*socket, error) {
	return openSocket("ip", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW, func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, interactive),
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MULTICAST_LOOP, 0),
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1))
	})
}

// openARP opens a socket for ARP packets on one interface, before which the
// kernel puts the Ethernet header. It hears what others say only where asked
// to: unread, it would fill its buffer for nothing.
func openARP(index int, hear bool) (*socket, error) {
	return openSocket("arp", unix.AF_PACKET, unix.SOCK_DGRAM, 0, func(fd int) error {
		if !hear {
			return nil
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: hostToNetwork(unix.ETH_P_ARP), Ifindex: index})
	})
}

func openSocket(name string, family, kind, protocol int, set func(fd int) error) (*socket, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("open %s socket: %w", name, err)
	}
	if err := set(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up %s socket: %w", name, err)
	}
	s := &socket{file: os.NewFile(uintptr(fd), name)}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("open %s socket: %w", name, err)
	}
	return s, nil
}

// send sends b to one receiver, and never waits for room.
func (s *socket) send(b []byte, to unix.Sockaddr) error {
	var err error
	if cerr := s.conn.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), b, unix.MSG_DONTWAIT, to)
		return true
	}); cerr != nil {
		return net.ErrClosed // nothing else keeps the function from being called
	}
	return err
}

func (s *socket) close() error { return s.file.Close() }

// ipTo addresses a socket opened by openIP.
func ipTo(a netip.Addr) unix.Sockaddr { return &unix.SockaddrInet4{Addr: a.As4()} }

// arpBroadcast addresses a socket opened by openARP to everyone on the LAN.
func arpBroadcast(index int) unix.Sockaddr {
	return &unix.SockaddrLinklayer{
		Protocol: hostToNetwork(unix.ETH_P_ARP),
		Ifindex:  index,
		Halen:    6,
		Addr:     [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
}

func hostToNetwork(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
