package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Spec is what a virtual router wants of the kernel.
type Spec struct {
	// Interface names the interface. Empty: it is the one whose own network
	// holds the first of Addrs that is not link-local, looked up again whenever
	// interfaces or addresses change.
	Interface string
	// VRID selects the packets that are delivered; 1-255.
	VRID uint8
	// Addrs are the virtual addresses with the length that was written, or
	// /32 or /128; at least one. Advertisements travel in the first one's family.
	Addrs []netip.Prefix
	// Interval is the Advertisement_Interval, of which the lease is three, in
	// whole seconds, rounded down, and never less than one.
	Interval time.Duration
	// Multicast joins 224.0.0.18 or ff02::12. Unicast packets are delivered
	// either way.
	Multicast bool
	// LinkLocal sends over IPv6 from the interface's link-local address, as it
	// must be for Multicast and for peers with such addresses, instead of one
	// that is valid everywhere.
	LinkLocal bool
	// VirtualMAC has the addresses at the virtual router's own MAC address, on a
	// macvlan interface that is made for it, instead of the interface's.
	VirtualMAC bool
	// Logger is told what degrades and what was cleaned up, and names the virtual
	// router itself; nil discards.
	Logger *slog.Logger
}

func (s Spec) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// validate finds what no interface can mend.
func (s Spec) validate() error {
	if s.VRID == 0 {
		return errors.New("VRID 0: must be 1-255")
	}
	if len(s.Addrs) == 0 {
		return errors.New("no virtual address")
	}
	for _, a := range s.Addrs {
		if !a.IsValid() || a.Addr().Is4In6() {
			return fmt.Errorf("virtual address %s: must be IPv4 or IPv6 with its length", a)
		}
	}
	return nil
}

// is6 tells whether advertisements travel over IPv6.
func (s Spec) is6() bool { return s.Addrs[0].Addr().Is6() }

// any6 tells whether there is an IPv6 address among the virtual ones.
func (s Spec) any6() bool {
	return slices.ContainsFunc(s.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// resident is the virtual address by which the interface is found: every one has
// a network that holds link-local ones.
func (s Spec) resident() netip.Addr {
	for _, p := range s.Addrs {
		if !p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return s.Addrs[0].Addr()
}

// lease is how long an address stays without being renewed, in seconds.
func (s Spec) lease() uint32 {
	return uint32(max(1, 3*s.Interval/time.Second))
}

// virtual tells whether a is one of the virtual addresses.
func (s Spec) virtual(a netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}
