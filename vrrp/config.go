package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// Version is a VRRP protocol version.
type Version uint8

// The versions a Machine speaks. A zero Version in a Config means V3.
const (
	V2 Version = 2 // RFC 3768, elections over IPv4 only, whole seconds
	V3 Version = 3 // RFC 9568
)

// Priorities with a meaning of their own.
const (
	// PriorityRelease says that the sender gives up the addresses (RFC 9568
	// section 5.2.4).
	PriorityRelease uint8 = 0
	// PriorityLastResort is the priority of a node whose service is ill. It
	// is reserved for that: a lower number than this cannot hold an address.
	PriorityLastResort uint8 = 1
	// PriorityDefault is the priority of a node that names none.
	PriorityDefault uint8 = 100
	// PriorityOwner is the address owner's (RFC 9568 section 5.2.4). A Machine
	// never sends it and obeys it when heard.
	PriorityOwner uint8 = 255
)

// Config is the fixed part of one virtual router (RFC 9568 section 6.1). The
// zero value of a field means its default.
type Config struct {
	VRID     uint8          // 1-255; there is no default
	Version  Version        // default V3
	Priority uint8          // 2-254, default 100
	Interval time.Duration  // Advertisement_Interval; default 1s; V3: 10ms-40s in steps of 10ms, V2: 1s-255s in whole seconds
	Addrs    []netip.Prefix // the virtual addresses, with the length to install; at least one, whose family is the election's
	Failback Failback       // default: now, the RFC's Preempt_Mode
	Unicast  bool           // advertise to the peers of PeersChanged, and hear them alone; default: multicast
	Routed   bool           // accept what has crossed a router on its way from a peer; Unicast only
	Checksum ChecksumMode   // of what is sent under V3; default: PseudoHeader. Both are accepted
	Password Password       // V2 only; default: none
	Auth     *Auth          // signatures; default: none, and none accepted
	Grouped  Group          // default: in none
	Pulse    time.Time      // an instant a whole number of intervals from which to advertise, beside others of the node; default: any will do
}

// Is6 reports whether the election is held over IPv6: in the family of the first
// address. Addresses of the other one move with it and are not advertised.
func (c Config) Is6() bool { return len(c.Addrs) > 0 && c.Addrs[0].Addr().Is6() }

// MulticastGroup is where a virtual router advertises that is not Unicast.
func (c Config) MulticastGroup() netip.Addr {
	if c.Is6() {
		return GroupIPv6
	}
	return GroupIPv4
}

// advertised are the addresses that go into advertisements, in their order but
// for link-local ones, which come first: RFC 9568 section 5.2.9 wants one in the
// first place. One that nobody has configured is not made up, since it would
// make an unequal list of one that is equal.
func (c Config) advertised() []netip.Addr {
	var first, rest []netip.Addr
	for _, p := range c.Addrs {
		switch a := p.Addr(); {
		case a.Is6() != c.Is6():
		case a.Is6() && a.IsLinkLocalUnicast():
			first = append(first, a)
		default:
			rest = append(rest, a)
		}
	}
	return append(first, rest...)
}

// Failback says what a healthy Backup does about an Active of lower priority.
// The zero value is now: it takes over, as the RFC's Preempt_Mode does.
type Failback struct {
	// Never: it leaves the lower Active in place.
	Never bool
	// After, when positive, is how long this node must have been healthy and
	// heard a lower Active before it takes over.
	After time.Duration
}

// String returns the configuration's words: "now", "never" or "after 30s".
func (f Failback) String() string {
	switch {
	case f.Never:
		return "never"
	case f.After > 0:
		return fmt.Sprintf("after %s", f.After)
	default:
		return "now"
	}
}
