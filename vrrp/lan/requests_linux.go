package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// requestTimeout ends the wait for an answer of the kernel, which is there when
// the request has been sent, as a rule.
const requestTimeout = 2 * time.Second

// requests is a socket on which one goroutine after the other asks the kernel
// for changes of addresses, for all virtual routers.
type requests struct {
	socket *socket
	port   uint32 // its netlink port: notifications name who caused them by it

	renewals renewals
	wake     chan struct{} // buffered for its one message: there are renewals
	closed   chan struct{}
	renewing sync.WaitGroup

	mu       sync.Mutex
	sequence uint32
	answer   [4096]byte
	batch    message // of several
}

func openRequests() (*requests, error) {
	s, err := openSocket("netlink", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, func(fd int) error {
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	if err != nil {
		return nil, err
	}
	r := &requests{socket: s, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	err = s.control(func(fd int) error {
		own, err := unix.Getsockname(fd)
		if a, ok := own.(*unix.SockaddrNetlink); ok {
			r.port = a.Pid
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink socket: %w", err), s.close())
	}
	r.renewing.Go(r.renewAll)
	return r, nil
}

func (r *requests) close() error {
	close(r.closed)
	r.renewing.Wait()
	return r.socket.close()
}

// lease is the request that adds a to the interface, or renews it, for as many
// seconds. Of IPv6 it answers at once (no duplicate address detection: a predecessor
// may answer for it still) and is never preferred as the source of a connection.
func lease(index int, a netip.Prefix, seconds uint32) message {
	m := aboutAddress(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, a)
	m = m.attribute(ifaProto, []byte{tag})
	preferred := seconds
	if a.Addr().Is6() {
		preferred = 0
		flags := uint32(unix.IFA_F_NODAD)
		if a.IsSingleIP() {
			flags |= unix.IFA_F_NOPREFIXROUTE // there is no network to have one
		}
		m = m.attribute(unix.IFA_FLAGS, number(flags))
	}
	lifetime := slices.Concat(number(preferred), number(seconds), make([]byte, 8)) // struct ifa_cacheinfo
	return m.attribute(unix.IFA_CACHEINFO, lifetime)
}

// remove takes a off the interface. It is no error when it, or the interface,
// is not there.
func (r *requests) remove(index int, a netip.Prefix) error {
	err := r.do(aboutAddress(unix.RTM_DELADDR, 0, index, a))
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// aboutAddress begins a request for a change of a.
func aboutAddress(kind, flags uint16, index int, a netip.Prefix) message {
	family := byte(unix.AF_INET)
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	m := newMessage(kind, flags|unix.NLM_F_ACK)
	m = append(m, family, byte(a.Bits()), 0, 0) // struct ifaddrmsg
	m = append(m, number(uint32(index))...)
	m = m.attribute(unix.IFA_LOCAL, a.Addr().AsSlice())
	m = m.attribute(unix.IFA_ADDRESS, a.Addr().AsSlice())
	if a.Addr().Is4() && a.Bits() < 31 { // a larger network has a broadcast address
		m = m.attribute(unix.IFA_BROADCAST, broadcast(a))
	}
	return m
}

// broadcast is the last address of a's network.
func broadcast(a netip.Prefix) []byte {
	v4 := a.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(v4[:]) | ^uint32(0)>>a.Bits()
	return binary.BigEndian.AppendUint32(nil, last)
}

// forwards tells whether the interface forwards IPv6.
func (r *requests) forwards(index int) (bool, error) {
	const ifindex, forwarding = 1, 2                                        // NETCONFA_IFINDEX, NETCONFA_FORWARDING
	m := append(newMessage(unix.RTM_GETNETCONF, 0), unix.AF_INET6, 0, 0, 0) // struct netconfmsg, padded
	data, err := r.ask(m.attribute(ifindex, number(uint32(index))))
	if err == nil {
		data, err = nested(data[min(4, len(data)):], forwarding)
	}
	if err == nil && len(data) != 4 {
		err = errors.New("the kernel does not say")
	}
	if err != nil {
		return false, fmt.Errorf("ask whether interface %d forwards IPv6: %w", index, err)
	}
	return binary.NativeEndian.Uint32(data) != 0, nil
}

// do asks for one change and returns when it is made.
func (r *requests) do(m message) error {
	_, err := r.ask(m)
	return err
}

// ask sends a request and returns the data of its answer, nil where it is an
// acknowledgment.
func (r *requests) ask(m message) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sequence++
	m.finish(r.sequence, len(m))
	if err := toKernel(r.socket, m); err != nil {
		return nil, err
	}
	for {
		n, err := r.socket.readWithin(r.answer[:], requestTimeout)
		if err != nil {
			return nil, fmt.Errorf("no answer of the kernel: %w", err)
		}
		answers, err := r.answers(n)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			switch {
			case a.Header.Seq != r.sequence: // to one that was given up
			case a.Header.Type == unix.NLMSG_ERROR:
				return nil, refusal(a.Data)
			default:
				return slices.Clone(a.Data), nil
			}
		}
	}
}

// askAll sends requests that want no acknowledgment and are numbered from first
// on, and returns why some of them are refused, by their place. The caller has
// the lock.
func (r *requests) askAll(m message, first uint32) (refused map[int]error, err error) {
	if err := toKernel(r.socket, m); err != nil {
		return nil, err
	}
	refused = make(map[int]error)
	for {
		var n int
		err := r.socket.control(func(fd int) (err error) {
			n, err = fromKernel(fd, r.answer[:])
			return err
		})
		if errors.Is(err, unix.EAGAIN) { // all is done by now
			return refused, nil
		}
		if err != nil {
			return nil, fmt.Errorf("answer of the kernel: %w", err)
		}
		answers, err := r.answers(n)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR || a.Header.Seq-first > r.sequence-first {
				continue // to one that was given up
			}
			if err := refusal(a.Data); err != nil {
				refused[int(a.Header.Seq-first)] = err
			}
		}
	}
}

// answers takes apart so many octets that were read.
func (r *requests) answers(n int) ([]syscall.NetlinkMessage, error) {
	all, err := syscall.ParseNetlinkMessage(r.answer[:n])
	if err != nil {
		return nil, fmt.Errorf("answer of the kernel: %w", err)
	}
	return all, nil
}

// refusal is what an answer of type NLMSG_ERROR says; nil: it is done.
func refusal(data []byte) error {
	if len(data) < 4 {
		return errors.New("answer of the kernel: too short")
	}
	if errno := -int32(binary.NativeEndian.Uint32(data)); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}

// message is a netlink request: a header, a structure by its kind, attributes.
type message []byte

func newMessage(kind, flags uint16) message {
	m := make(message, 4, 128) // its length is not known yet
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST)
	return append(m, make([]byte, 8)...) // sequence, port
}

// attribute appends one, and padding up to the next.
func (m message) attribute(kind uint16, value []byte) message {
	const head, align = 4, 4
	m = binary.NativeEndian.AppendUint16(m, uint16(head+len(value)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, value...)
	return append(m, make([]byte, -len(value)&(align-1))...)
}

// quiet makes the kernel answer only where it refuses.
func (m message) quiet() message {
	flags := m[6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)&^unix.NLM_F_ACK)
	return m
}

// finish fills in what is known last.
func (m message) finish(sequence uint32, length int) {
	binary.NativeEndian.PutUint32(m, uint32(length))
	binary.NativeEndian.PutUint32(m[8:], sequence)
}

// number is v as netlink has it.
func number(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
