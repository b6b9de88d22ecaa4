package lan

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of this file return at once, with EAGAIN where they would have
// to wait. So the runtime is not told of them: it would get ready for a long one,
// and wake a thread to watch it.

// destination is where a packet goes, as the kernel has it.
type destination interface {
	unix.RawSockaddrInet4 | unix.RawSockaddrInet6 | unix.RawSockaddrLinklayer | unix.RawSockaddrNetlink
}

func toIPv4(a netip.Addr) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.As4()}
}

func toIPv6(a netip.Addr, zone uint32) unix.RawSockaddrInet6 {
	return unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.As16(), Scope_id: zone}
}

// toLink addresses a socket opened by openARP to a hardware address, with a
// packet of a protocol.
func toLink(index int, protocol uint16, to mac) unix.RawSockaddrLinklayer {
	a := unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: hostToNetwork(protocol), Ifindex: int32(index), Halen: uint8(len(to))}
	copy(a.Addr[:], to[:])
	return a
}

// toKernel addresses a netlink socket.
func toKernel() unix.RawSockaddrNetlink { return unix.RawSockaddrNetlink{Family: unix.AF_NETLINK} }

// send sends b to one receiver, and never waits for room, nor for others who
// send.
func send[D destination](s *socket, b []byte, to D) error {
	return s.control(func(fd int) error {
		for {
			_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
				unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to)), unsafe.Sizeof(to))
			if errno != unix.EINTR {
				return orNil(errno)
			}
		}
	})
}

// fromKernel reads the next message that the kernel sent. Processes may send,
// too.
func fromKernel(fd int, b []byte) (int, error) {
	for {
		var from unix.RawSockaddrNetlink
		length := uint32(unsafe.Sizeof(from))
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&length)))
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return 0, errno
		case from.Pid == 0:
			return int(n), nil
		}
	}
}

// orNil is errno as an error.
func orNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
