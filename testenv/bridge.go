package testenv

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// Bridge is a switch, in a network namespace of its own, with one port for
// each link attached. It floods every multicast, as a switch without snooping
// does, and forwards from the first moment (no spanning tree).
type Bridge struct {
	lab    *Lab
	name   string
	net    *space
	nl     *netlink.Handle
	number int // which bridge of the lab, for hardware addresses
	links  []*Link

	captures int // so far, to number their files

	rules  *nftables.Conn // nil until the first fault
	faults []*Fault
}

// Bridge adds a switch.
func (l *Lab) Bridge(name string) *Bridge {
	l.t.Helper()
	b := &Bridge{lab: l, name: name, number: len(l.bridges)}
	var err error
	if b.net, err = newSpace(); err != nil {
		l.t.Fatalf("bridge %s: %v", name, err)
	}
	l.bridges = append(l.bridges, b)
	if err := b.net.do(b.setUp); err != nil {
		l.t.Fatalf("bridge %s: %v", name, err)
	}
	return b
}

func (b *Bridge) setUp() error {
	var err error
	if b.nl, err = netlink.NewHandle(); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	// The switch has nothing to say of its own: no IPv6 on its ports.
	if err := ignoreMissing(setSysctl("net/ipv6/conf/default/disable_ipv6", "1")); err != nil {
		return err
	}
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	bridge.Name = b.name
	if err := b.nl.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add: %w", err)
	}
	if err := b.nl.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// Name is the bridge's name.
func (b *Bridge) Name() string { return b.name }

// link returns h's only link to b.
func (b *Bridge) link(h *Host) *Link {
	b.lab.t.Helper()
	var found *Link
	for _, l := range b.links {
		if l.host == h {
			if found != nil {
				b.lab.t.Fatalf("host %s has several links to bridge %s: name the link", h.name, b.name)
			}
			found = l
		}
	}
	if found == nil {
		b.lab.t.Fatalf("host %s has no link to bridge %s", h.name, b.name)
	}
	return found
}

func (b *Bridge) close() {
	if b.rules != nil {
		if err := b.rules.CloseLasting(); err != nil {
			b.lab.t.Errorf("bridge %s: close nftables: %v", b.name, err)
		}
	}
	if b.nl != nil {
		b.nl.Close()
	}
	if err := b.net.close(); err != nil {
		b.lab.t.Errorf("close bridge %s: %v", b.name, err)
	}
}
