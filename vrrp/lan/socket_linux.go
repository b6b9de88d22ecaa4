package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// interactive is the priority of what goes before bulk in the interface's
	// queue.
	interactive = 6
	// socketBuffer holds what 255 virtual routers say at one moment, several
	// times over: a small packet counts as a kilobyte or two.
	socketBuffer = 2 << 20
	// burst is after how many packets a socket that is flooded can be closed.
	burst = 64
	// maxPacket is more than the longest advertisement: 255 addresses of IPv6
	// with authentication data, or of IPv4 and an IP header with all its options.
	maxPacket = 4608
	// maxControl is more than the control messages that a socket asks for.
	maxControl = 128
)

// socket is one that sends at once or returns an error.
type socket struct {
	file *os.File
	conn syscall.RawConn
}

// openARP opens a socket for ARP packets on one interface, before which the
// kernel puts the Ethernet header. It hears what others say only where asked
// to: unread, it would fill its buffer for nothing.
func openARP(index int, hear bool) (*socket, error) {
	return openSocket("arp", unix.AF_PACKET, unix.SOCK_DGRAM, 0, func(fd int) error {
		if !hear {
			return setsockopt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
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

// setsockopt names the option where it fails: several are set at once.
func setsockopt(fd, level, option, value int) error {
	if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
		return fmt.Errorf("option %d of level %d: %w", option, level, err)
	}
	return nil
}

// setFilter has the kernel drop what is for none of the virtual routers.
func setFilter(fd int, set vrids, header bool) error {
	program, err := admitting(set, header)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	list := make([]unix.SockFilter, len(program))
	for i, p := range program {
		list[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	prog := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("set filter: %w", err)
	}
	return nil
}

// send sends b to one receiver, and never waits for room, nor for others who
// send.
func (s *socket) send(b []byte, to unix.Sockaddr) error {
	return s.control(func(fd int) error { return unix.Sendto(fd, b, unix.MSG_DONTWAIT, to) })
}

// control calls f unless s is closed.
func (s *socket) control(f func(fd int) error) error {
	var err error
	if cerr := s.conn.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return net.ErrClosed // nothing else keeps the function from being called
	}
	return err
}

// receive gives f each packet that comes, with its control messages, until there
// is an error, after Close net.ErrClosed. What f is given lasts until it returns.
func (s *socket) receive(f func(b, control []byte, from unix.Sockaddr)) error {
	b, control := make([]byte, maxPacket), make([]byte, maxControl)
	for {
		var err error
		cerr := s.conn.Read(func(fd uintptr) (done bool) {
			for range burst {
				n, c, _, from, rerr := unix.Recvmsg(int(fd), b, control, unix.MSG_DONTWAIT)
				switch {
				case rerr == nil:
					f(b[:n], control[:c], from)
				case errors.Is(rerr, unix.EAGAIN):
					return false
				case !errors.Is(rerr, unix.EINTR):
					err = rerr
					return true
				}
			}
			return true
		})
		switch {
		case cerr != nil:
			return net.ErrClosed // nothing else keeps it from being read
		case err != nil:
			return os.NewSyscallError("recvmsg", err)
		}
	}
}

func (s *socket) close() error { return s.file.Close() }

// linkTo addresses a socket opened by openARP to a hardware address, with a
// packet of a protocol.
func linkTo(index int, protocol uint16, to mac) unix.Sockaddr {
	a := &unix.SockaddrLinklayer{Protocol: hostToNetwork(protocol), Ifindex: index, Halen: uint8(len(to))}
	copy(a.Addr[:], to[:])
	return a
}

func hostToNetwork(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
