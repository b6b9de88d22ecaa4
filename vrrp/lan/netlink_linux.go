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
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// tag marks our addresses in the kernel: the protocol number of VRRP, which is
// registered for nobody there (1-3 are the kernel's own, 18 is keepalived's).
const tag = 112

// ifaProto is the attribute that keeps the tag, since Linux 5.18.
const ifaProto = 11

// learnByteOrder makes package nl learn the machine's byte order. It does so at
// its first use otherwise, without a lock, and several may begin at the
// same time.
var learnByteOrder = sync.OnceFunc(func() { nl.NativeEndian() })

// list asks the kernel for the whole table.
func list() (table, error) { return whole(listOnce) }

// whole lists until there is no change meanwhile, which the kernel tells: a list
// may lack what was there all the time then.
func whole[T any](list func() (T, error)) (T, error) {
	all, err := list()
	for tries := 1; errors.Is(err, nl.ErrDumpInterrupted) && tries <= 20; tries++ {
		time.Sleep(time.Duration(tries) * time.Millisecond) // many changes come at one moment
		all, err = list()
	}
	return all, err
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
func subscribe() (*socket, error) {
	var groups uint32
	for _, g := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		groups |= 1 << (g - 1)
	}
	s, err := openSocket("netlink", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, func(fd int) error {
		return errors.Join(
			setsockopt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer),
			unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}))
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to interfaces and addresses: %w", err)
	}
	return s, nil
}

// ignoreInstalled has the kernel keep back that addresses were installed or
// renewed by way of a netlink port, our own: with many virtual routers it would
// be the most of what there is to hear. Of IPv6 addresses it does not tell the port.
func ignoreInstalled(s *socket, port uint32) error {
	const kind, by = 4, 12 // where a message's header has them
	return s.control(func(fd int) error {
		return attach(fd, []bpf.Instruction{
			// A load takes numbers to be big-endian.
			bpf.LoadAbsolute{Off: kind, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(hostToNetwork(unix.RTM_NEWADDR)), SkipTrue: 3},
			bpf.LoadAbsolute{Off: by, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, port)), SkipTrue: 1},
			bpf.RetConstant{Val: 0},
			bpf.RetConstant{Val: ^uint32(0)},
		})
	})
}

// maxNotice is more than the longest message about one interface or address.
const maxNotice = 64 << 10

// receive waits for the next notification and returns what it changes. b is room
// for it.
func receive(s *socket, b []byte) ([]update, error) {
	n, err := s.read(b)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil {
		return nil, fmt.Errorf("notification: %w", err)
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
