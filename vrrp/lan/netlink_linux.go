package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// tag marks our addresses in the kernel: the protocol number of VRRP, which is
// registered for nobody there (1-3 are the kernel's own, 18 is keepalived's).
const tag = 112

// ifaProto is the attribute that keeps the tag, since Linux 5.18.
const ifaProto = 11

// requestTimeout ends the wait for an answer of the kernel, in seconds. It is
// immediate, but for a kernel that holds its routing lock for somebody else.
const requestTimeout = 2

// learnByteOrder makes package nl learn the machine's byte order. It does so at
// its first use otherwise, without a lock, and several Watches may begin at the
// same time.
var learnByteOrder = sync.OnceFunc(func() { nl.NativeEndian() })

// list asks the kernel for the whole table.
func list() (table, error) {
	t, err := listOnce()
	for tries := 0; errors.Is(err, nl.ErrDumpInterrupted) && tries < 10; tries++ {
		t, err = listOnce()
	}
	return t, err
}

func listOnce() (table, error) {
	var t table
	for _, q := range []struct {
		kind, answer uint16
		data         nl.NetlinkRequestData
		what         string
	}{
		{unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), "interfaces"},
		{unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC), "addresses"},
	} {
		req := nl.NewNetlinkRequest(int(q.kind), unix.NLM_F_DUMP)
		req.AddData(q.data)
		messages, err := req.Execute(unix.NETLINK_ROUTE, q.answer)
		if err != nil {
			return table{}, fmt.Errorf("list %s: %w", q.what, err)
		}
		for _, data := range messages {
			u, ok, err := parse(q.answer, 0, data)
			if err != nil {
				return table{}, fmt.Errorf("list %s: %w", q.what, err)
			}
			if ok {
				t.apply(u)
			}
		}
	}
	return t, nil
}

// subscribe opens a socket to which the kernel sends every change of an
// interface or an address, in their order.
func subscribe() (*nl.NetlinkSocket, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("subscribe to interfaces and addresses: %w", err)
	}
	return s, nil
}

// receive waits for the next notification and returns what it changes.
func receive(s *nl.NetlinkSocket) ([]update, error) {
	messages, from, err := s.Receive()
	if err != nil {
		return nil, err
	}
	if from.Pid != nl.PidKernel {
		return nil, nil // some process talks to us
	}
	var updates []update
	for _, m := range messages {
		u, ok, err := parse(m.Header.Type, m.Header.Pid, m.Data)
		if err != nil {
			return nil, err
		}
		if ok {
			updates = append(updates, u)
		}
	}
	return updates, nil
}

// parse reads one message; ok is false when it is of no concern.
func parse(kind uint16, by uint32, data []byte) (u update, ok bool, err error) {
	u = update{by: by, gone: kind == unix.RTM_DELLINK || kind == unix.RTM_DELADDR}
	switch kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		u.link, err = parseLink(data)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		u.addr, err = parseAddress(data)
	}
	return u, u.link != nil || u.addr != nil, err
}

// parseLink returns nil for what a bridge says of its ports: there
// RTM_DELLINK means that a port has left the bridge.
func parseLink(data []byte) (*link, error) {
	if len(data) < unix.SizeofIfInfomsg {
		return nil, errors.New("interface message too short")
	}
	head := nl.DeserializeIfInfomsg(data)
	if head.Family != unix.AF_UNSPEC {
		return nil, nil
	}
	const running = unix.IFF_RUNNING | unix.IFF_LOWER_UP
	l := &link{
		index:    int(head.Index),
		up:       head.Flags&unix.IFF_UP != 0,
		running:  head.Flags&running == running,
		loopback: head.Flags&unix.IFF_LOOPBACK != 0,
	}
	attrs, err := nl.ParseRouteAttr(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return nil, fmt.Errorf("interface message: %w", err)
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			l.name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_IFALIAS:
			l.face = strings.HasPrefix(unix.ByteSliceToString(a.Value), faceMark)
		case unix.IFLA_ADDRESS:
			if len(a.Value) == len(l.mac) {
				l.mac = mac(a.Value)
			}
		}
	}
	return l, nil
}

// parseAddress returns nil for what is no address of IPv4 or IPv6, and for
// 0.0.0.0, which the kernel leaves out.
func parseAddress(data []byte) (*address, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return nil, errors.New("address message too short")
	}
	head := nl.DeserializeIfAddrmsg(data)
	if head.Family != unix.AF_INET && head.Family != unix.AF_INET6 {
		return nil, nil
	}
	a := &address{index: int(head.Index), scope: head.Scope}
	flags := uint32(head.Flags) // the first 8 of them
	attrs, err := nl.ParseRouteAttr(data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return nil, fmt.Errorf("address message: %w", err)
	}
	var local, peer netip.Addr
	for _, attr := range attrs {
		switch attr.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_FLAGS:
			if len(attr.Value) == 4 {
				flags = binary.NativeEndian.Uint32(attr.Value)
			}
		case ifaProto:
			a.tagged = len(attr.Value) == 1 && attr.Value[0] == tag
		}
	}
	if head.Family == unix.AF_INET6 && !local.IsValid() { // it is named where it has a peer
		local = peer
	}
	if !local.IsValid() || !peer.IsValid() {
		return nil, nil
	}
	a.secondary = flags&unix.IFA_F_SECONDARY != 0 // of IPv6 the same bit is IFA_F_TEMPORARY
	a.static = flags&unix.IFA_F_PERMANENT != 0
	a.tentative = flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
	a.taken = flags&unix.IFA_F_DADFAILED != 0
	a.local = netip.PrefixFrom(local, int(head.Prefixlen))
	a.network = netip.PrefixFrom(peer, int(head.Prefixlen)).Masked()
	return a, nil
}

// requests is a socket on which one goroutine after the other asks the kernel
// for changes of addresses.
type requests struct {
	mu     sync.Mutex
	socket *nl.NetlinkSocket
	shared map[int]*nl.SocketHandle
	port   uint32 // its netlink port: notifications name who caused them by it
}

func openRequests() (*requests, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	port, err := s.GetPid()
	if err == nil {
		timeout := unix.Timeval{Sec: requestTimeout}
		err = errors.Join(s.SetSendTimeout(&timeout), s.SetReceiveTimeout(&timeout))
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &requests{socket: s, shared: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}, port: port}, nil
}

func (r *requests) close() error {
	r.socket.Close()
	return nil
}

// install adds a to the interface, or renews it, for as many seconds. Of IPv6
// it answers at once (no duplicate address detection: a predecessor may answer
// for it still) and is never preferred as the source of a connection.
func (r *requests) install(index int, a netip.Prefix, seconds uint32) error {
	life := unix.IfaCacheinfo{Valid: seconds, Prefered: seconds}
	attrs := []*nl.RtAttr{nl.NewRtAttr(ifaProto, []byte{tag})}
	if a.Addr().Is6() {
		life.Prefered = 0
		flags := uint32(unix.IFA_F_NODAD)
		if a.IsSingleIP() {
			flags |= unix.IFA_F_NOPREFIXROUTE // there is no network to have one
		}
		attrs = append(attrs, nl.NewRtAttr(unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, flags)))
	}
	lifetime := nl.IfaCacheInfo{IfaCacheinfo: life}
	return r.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, a,
		append(attrs, nl.NewRtAttr(unix.IFA_CACHEINFO, lifetime.Serialize()))...)
}

// remove takes a off the interface. It is no error when it, or the interface,
// is not there.
func (r *requests) remove(index int, a netip.Prefix) error {
	err := r.do(unix.RTM_DELADDR, 0, index, a)
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}

// do asks for one change of a and waits until it is made.
func (r *requests) do(kind, flags, index int, a netip.Prefix, attrs ...*nl.RtAttr) error {
	family := unix.AF_INET
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	head := nl.NewIfAddrmsg(family)
	head.Index = uint32(index)
	head.Prefixlen = uint8(a.Bits())
	req := nl.NewNetlinkRequest(kind, flags|unix.NLM_F_ACK)
	req.Sockets = r.shared
	req.AddData(head)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, a.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, a.Addr().AsSlice()))
	if a.Addr().Is4() && a.Bits() < 31 { // a larger network has a broadcast address
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast(a)))
	}
	for _, attr := range attrs {
		req.AddData(attr)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// broadcast is the last address of a's network.
func broadcast(a netip.Prefix) []byte {
	v4 := a.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(v4[:]) | ^uint32(0)>>a.Bits()
	return binary.BigEndian.AppendUint32(nil, last)
}

// forwards tells whether the interface forwards IPv6.
func (r *requests) forwards(index int) (bool, error) {
	const ifindex, forwarding = 1, 2 // NETCONFA_IFINDEX, NETCONFA_FORWARDING
	req := nl.NewNetlinkRequest(unix.RTM_GETNETCONF, 0)
	req.Sockets = r.shared
	req.AddRawData([]byte{unix.AF_INET6, 0, 0, 0}) // struct netconfmsg, padded
	req.AddRawData(nl.NewRtAttr(ifindex, binary.NativeEndian.AppendUint32(nil, uint32(index))).Serialize())
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNETCONF)
	if err != nil {
		return false, fmt.Errorf("ask whether interface %d forwards IPv6: %w", index, err)
	}
	for _, data := range messages {
		attrs, err := nl.ParseRouteAttr(data[min(4, len(data)):])
		if err != nil {
			return false, fmt.Errorf("ask whether interface %d forwards IPv6: %w", index, err)
		}
		for _, a := range attrs {
			if a.Attr.Type == forwarding && len(a.Value) == 4 {
				return binary.NativeEndian.Uint32(a.Value) != 0, nil
			}
		}
	}
	return false, fmt.Errorf("ask whether interface %d forwards IPv6: the kernel does not say", index)
}

// whyNoIPv6 adds to an error that an interface has no IPv6 what the kernel's
// settings say of it.
func whyNoIPv6(err error) error {
	none, ok := errors.AsType[*noIPv6Error](err)
	if !ok {
		return err
	}
	path := "/proc/sys/net/ipv6/conf/" + none.name + "/disable_ipv6" // of the thread's namespace
	switch b, rerr := os.ReadFile(path); {
	case errors.Is(rerr, os.ErrNotExist):
		return fmt.Errorf("%w: this kernel has IPv6 switched off", err)
	case rerr != nil:
		return fmt.Errorf("%w: %w", err, rerr)
	case strings.TrimSpace(string(b)) != "0":
		return fmt.Errorf("%w: IPv6 is disabled there: sysctl -w net/ipv6/conf/%s/disable_ipv6=0", err, none.name)
	}
	return err
}
