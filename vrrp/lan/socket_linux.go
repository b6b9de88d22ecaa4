package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// interactive is the priority of what goes before bulk in the interface's
	// queue.
	interactive = 6
	// socketBuffer holds what 255 virtual routers say at one moment, several
	// times over: a small packet counts as a kilobyte or two.
	socketBuffer = 2 << 20
	// gather is how long packets are waited for that come in quick succession: a
	// tenth of the shortest interval.
	gather = time.Millisecond
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
func setFilter(fd int, set vrids, header bool) error { return attach(fd, admitting(set, header)) }

// attach has the kernel ask a program what to keep from a socket.
func attach(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	list := make([]unix.SockFilter, len(raw))
	for i, p := range raw {
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
// is an error, after close net.ErrClosed. What f is given lasts until it returns.
//
// A packet that comes soon after another one waits a moment for those behind it:
// many virtual routers speak one after the other, and to wake for each costs
// more than to take it.
func (s *socket) receive(f func(b, control []byte, from syscall.Sockaddr)) error {
	b, control := make([]byte, maxPacket), make([]byte, maxControl)
	var last time.Time
	for {
		var err error
		cerr := s.conn.Read(func(fd uintptr) (done bool) {
			for n := range burst {
				if err = s.take(int(fd), b, control, f); err != nil {
					return n > 0 || !errors.Is(err, unix.EAGAIN)
				}
			}
			return true
		})
		switch {
		case cerr != nil:
			return net.ErrClosed // nothing else keeps it from being read
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return os.NewSyscallError("recvmsg", err)
		}
		now := time.Now()
		if now.Sub(last) < gather {
			time.Sleep(gather)
			now = time.Now()
		}
		last = now
	}
}

// take gives f one packet, or returns EAGAIN. Package unix would ask with each
// for the protocol of the socket.
func (s *socket) take(fd int, b, control []byte, f func(b, control []byte, from syscall.Sockaddr)) error {
	for {
		n, c, _, from, err := syscall.Recvmsg(fd, b, control, unix.MSG_DONTWAIT)
		switch err {
		case nil:
			f(b[:n], control[:c], from)
			return nil
		case unix.EINTR:
		default:
			return err
		}
	}
}

// read waits for one message of the kernel's own and returns its length. After
// close the error is net.ErrClosed.
func (s *socket) read(b []byte) (n int, err error) {
	if cerr := s.conn.Read(func(fd uintptr) (done bool) {
		n, err = fromKernel(int(fd), b)
		return !errors.Is(err, unix.EAGAIN)
	}); errors.Is(cerr, os.ErrDeadlineExceeded) {
		return 0, cerr
	} else if cerr != nil {
		return 0, net.ErrClosed
	}
	return n, os.NewSyscallError("recvfrom", err)
}

// readWithin is read for a message that is there already, as a rule. It waits no
// longer than the limit.
func (s *socket) readWithin(b []byte, limit time.Duration) (n int, err error) {
	err = s.control(func(fd int) (err error) {
		n, err = fromKernel(fd, b)
		return err
	})
	if !errors.Is(err, unix.EAGAIN) {
		return n, err
	}
	if err := s.file.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return s.read(b)
}

// fromKernel reads the next message that the kernel sent. Processes may send,
// too.
func fromKernel(fd int, b []byte) (int, error) {
	for {
		n, from, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if sender, ok := from.(*unix.SockaddrNetlink); err != nil || ok && sender.Pid == 0 {
			return n, err
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
