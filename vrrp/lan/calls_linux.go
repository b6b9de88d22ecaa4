package lan

import (
	"errors"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Those system calls of this file that concern packets return at once, with EAGAIN
// where they would have to wait, or very soon. So the runtime is not told of them:
// it would get ready for a long one, and wake a thread to watch it. It is told of
// requests to the kernel, which wait for the lock of its network configuration.

// destination is where a packet goes, as the kernel has it.
type destination interface {
	unix.RawSockaddrInet4 | unix.RawSockaddrInet6 | unix.RawSockaddrLinklayer
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

// send sends b to one receiver, and never waits for room, nor for others who
// send.
func send[D destination](s *socket, b []byte, to D) error {
	return s.control(func(fd int) error {
		for {
			_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
				unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to)), unsafe.Sizeof(to))
			switch errno {
			case 0:
				return nil
			case unix.EINTR:
			default:
				return errno
			}
		}
	})
}

// toKernel sends a request to the kernel, which it carries out meanwhile.
func toKernel(s *socket, b []byte) error {
	return s.control(func(fd int) error {
		return unix.Sendto(fd, b, unix.MSG_DONTWAIT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
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

// doze sleeps for a moment, in which this thread runs no other goroutine:
// time.Sleep would have the runtime wake a second thread to look after the timer,
// and that costs more than all that is to be done then.
func doze(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // a signal ends it: no matter
}
