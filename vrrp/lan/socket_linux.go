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

	"ngha/vrrp"
)

const (
	// interactive is the priority of what goes before bulk in the interface's
	// queue.
	interactive = 6
	// socketBuffer holds what 255 virtual routers say at one moment, several
	// times over: a small packet counts as a kilobyte or two.
	socketBuffer = 2 << 20
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

// openHearing opens a socket that hears VRRP on one interface. At first it admits
// nothing.
func openHearing(name string, family, index int, header bool, own ...option) (*ear, error) {
	s, err := openSocket(name, family, unix.SOCK_RAW, vrrp.Protocol, func(fd int) error {
		return errors.Join(
			setFilter(fd, vrids{}, header),
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index),
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer),
			setsockopts(fd, own))
	})
	if err != nil {
		return nil, err
	}
	return &ear{socket: s, batch: newBatch()}, nil
}

// openSending opens a socket that sends whole packets by one interface. Of
// protocol IPPROTO_RAW it hears nothing, ICMP errors included.
func openSending(name string, family, index int, own ...option) (*socket, error) {
	return openSocket(name, family, unix.SOCK_RAW, unix.IPPROTO_RAW, func(fd int) error {
		return errors.Join(
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index),
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, interactive),
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer),
			setsockopts(fd, own))
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

// option is what setsockopt sets.
type option struct{ level, name, value int }

func setsockopts(fd int, options []option) error {
	for _, o := range options {
		if err := setsockopt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
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

// control calls f unless s is closed.
func (s *socket) control(f func(fd int) error) error {
	var err error
	if cerr := s.conn.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return net.ErrClosed // nothing else keeps the function from being called
	}
	return err
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

func (s *socket) close() error { return s.file.Close() }

func hostToNetwork(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
