package testenv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// packetRoom holds what hundreds of virtual routers send in a second, should the
// reader get no processor for as long: a small frame counts as a kilobyte.
const packetRoom = 32 << 20

// packets are the frames that come to an interface and that a filter admits, in
// both directions, whoever they are for.
type packets struct {
	file *os.File
	raw  syscall.RawConn
	buf  [snapLength]byte
	oob  []byte
}

func openPackets(device string, filter []bpf.Instruction) (*packets, error) {
	l, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // it hears nothing yet
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &packets{file: os.NewFile(uintptr(fd), "packets"), oob: make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))))}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.admit(filter)
	}
	// A promiscuous bridge gets a copy of every frame it forwards.
	promiscuous := unix.PacketMreq{Ifindex: int32(l.Index), Type: unix.PACKET_MR_PROMISC}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err = errors.Join(err,
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetRoom),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &promiscuous),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: l.Index})); err != nil {
		return nil, errors.Join(fmt.Errorf("set up a packet socket: %w", err), p.close())
	}
	return p, nil
}

// admit changes the filter.
func (p *packets) admit(filter []bpf.Instruction) error {
	program, err := bpf.Assemble(filter)
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	list := make([]unix.SockFilter, len(program))
	for i, f := range program {
		list[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	return p.control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
	})
}

// await calls taken until it returns true, now and each time something has come.
// The error says that the socket was closed.
func (p *packets) await(taken func() bool) error {
	return p.raw.Read(func(uintptr) bool { return taken() })
}

// next returns the next frame that has come, of which it reads snapLength bytes at
// most, and when it came. It does not wait: without one the error is EAGAIN. The
// bytes belong to the caller.
func (p *packets) next() (data []byte, at time.Time, err error) {
	var n, oobn int
	if err := p.control(func(fd int) (err error) {
		n, oobn, _, _, err = unix.Recvmsg(fd, p.buf[:], p.oob, 0)
		return os.NewSyscallError("recvmsg", err)
	}); err != nil {
		return nil, at, err
	}
	return append([]byte(nil), p.buf[:n]...), arrival(p.oob[:oobn]), nil
}

// dropped tells how many frames there was no room for, since it was last asked.
func (p *packets) dropped() (n uint32, err error) {
	err = p.control(func(fd int) error {
		stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			n = stats.Drops
		}
		return err
	})
	return n, err
}

func (p *packets) control(f func(fd int) error) error {
	var err error
	if cerr := p.raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

func (p *packets) close() error { return p.file.Close() }
