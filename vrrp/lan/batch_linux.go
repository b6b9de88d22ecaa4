package lan

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// company is how many packets are read at once.
	company = 16
	// flood is how many are read before others have the processor: more than all
	// virtual routers of a network say at one moment.
	flood = 256
	// maxPacket is more than the longest advertisement: 255 addresses of IPv6
	// with authentication data, or of IPv4 and an IP header with all its options.
	maxPacket = 4608
	// maxControl is more than the control messages that a socket asks for.
	maxControl = 128
)

// received is a packet with its control messages, and who sent it. It lasts until
// the next ones are read.
type received struct {
	packet, control []byte
	from            *unix.RawSockaddrInet6 // or what fits into it
}

// batch is room for packets that are read by one system call.
type batch struct {
	heads   [company]header
	vectors [company]unix.Iovec
	from    [company]unix.RawSockaddrInet6
	control [company][maxControl]byte
	packets [company][maxPacket]byte
}

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32
}

func newBatch() *batch {
	b := new(batch)
	for i := range b.heads {
		b.vectors[i].Base = &b.packets[i][0]
		b.vectors[i].SetLen(maxPacket)
		h := &b.heads[i]
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		h.Control = &b.control[i][0]
	}
	return b
}

// read reads what has come, without waiting, and returns how many packets that
// is. The scheduler is not told of the call, which is short: it would prepare for
// a long one.
func (b *batch) read(fd int) (int, error) {
	for i := range b.heads {
		b.heads[i].Namelen = unix.SizeofSockaddrInet6
		b.heads[i].SetControllen(maxControl)
	}
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.heads[0])), company, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// at is the packet of that number.
func (b *batch) at(i int) received {
	h := &b.heads[i]
	return received{b.packets[i][:h.length], b.control[i][:h.Controllen], &b.from[i]}
}

// ear is a socket whose packets are read many at a time.
type ear struct {
	*socket

	mu    sync.Mutex // held until what was read has been dealt out
	batch *batch
}

// receive gives f each packet that comes, until there is an error, after close
// net.ErrClosed.
//
// Where packets come in crowds, since many virtual routers speak one after the
// other, the first of them waits for those behind it: to wake for each costs more
// than to take it. pause is for how long.
func (e *ear) receive(pause func() time.Duration, f func(received)) error {
	var last time.Time // of reading
	crowded := false
	for unpaused := 0; ; {
		var n int
		var err error
		waited := false
		if cerr := e.conn.Read(func(fd uintptr) (done bool) {
			switch {
			case waited && crowded:
				doze(pause())
			case !waited && unpaused >= flood:
				time.Sleep(pause())
				unpaused = 0
			}
			waited = true
			if n, err = e.take(int(fd), f); errors.Is(err, unix.EAGAIN) {
				unpaused = 0
				return false
			}
			return true
		}); cerr != nil {
			return net.ErrClosed // nothing else keeps it from being read
		}
		if err != nil {
			return os.NewSyscallError("recvmmsg", err)
		}
		now := time.Now()
		crowded = n > 1 || now.Sub(last) < pause()
		last = now
		unpaused += n
	}
}

// drain gives f what has come until now, beside receive.
func (e *ear) drain(f func(received)) error {
	return e.control(func(fd int) error {
		for range flood / company {
			if _, err := e.take(fd, f); errors.Is(err, unix.EAGAIN) {
				return nil
			} else if err != nil {
				return os.NewSyscallError("recvmmsg", err)
			}
		}
		return nil
	})
}

// take gives f a batch of packets, and returns how many.
func (e *ear) take(fd int, f func(received)) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err = e.batch.read(fd)
	for i := range n {
		f(e.batch.at(i))
	}
	return n, err
}
