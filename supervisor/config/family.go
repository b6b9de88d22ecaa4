package config

import (
	"fmt"
	"net/netip"

	"ngha/vrrp"
)

// family checks that what v says goes with the family in which its election is
// held, the first address's.
func (d *decoder) family(n *node, v VirtualRouter) {
	if len(v.VRRP.Addrs) == 0 {
		return
	}
	first := v.VRRP.Addrs[0].Addr()
	d.peersTogether(n, first)
	if first.Is4() {
		return
	}
	if v.VRRP.Version == vrrp.V2 {
		d.fault(n.at("version"), fmt.Sprintf("VRRP version 2 knows IPv4 alone, and the first address is %s", first),
			"use version 3, or put an IPv4 address first: those of IPv6 move with it")
	}
	if _, given := n.child("checksum"); given && v.VRRP.Version == vrrp.V3 {
		d.fault(n.at("checksum"), fmt.Sprintf("the checksum can be chosen over IPv4 only, and the first address is %s", first), "leave checksum out")
	}
	advertised := 0
	for _, a := range v.VRRP.Addrs {
		if a.Addr().Is6() {
			advertised++
		}
	}
	if advertised > vrrp.MaxAdvertised6 {
		d.fault(n.at("addresses"), fmt.Sprintf("%d IPv6 addresses are more than an advertisement in one piece holds", advertised),
			fmt.Sprintf("keep %d, and put the others into a virtual router of their own, in the same group", vrrp.MaxAdvertised6))
	}
}

// peersTogether checks that one address of this node can talk to all peers that
// are given as addresses.
func (d *decoder) peersTogether(n *node, first netip.Addr) {
	peers, ok := n.child("peers")
	if !ok {
		return
	}
	var linkLocal, wide string // one of each
	for _, item := range peers.scalars() {
		a, err := netip.ParseAddr(item.text)
		switch {
		case err != nil: // a name, which is looked up in the right family
			if wide == "" {
				wide = item.text
			}
		case a.Is6() != first.Is6():
			d.fault(item.place, fmt.Sprintf("%s is of another family than %s, in which the nodes speak to each other", a, first),
				"list the other nodes' addresses of the first address's family")
		case a.Is6() && a.IsLinkLocalUnicast():
			linkLocal = item.text
		case wide == "":
			wide = item.text
		}
	}
	if linkLocal != "" && wide != "" {
		d.fault(peers.place, fmt.Sprintf("%s is a link-local address, and %s is not: a node sends to all its peers from one address", linkLocal, wide),
			"list all peers by link-local addresses, or none")
	}
}

// LinkLocalPeers reports whether the peers are given by IPv6 link-local
// addresses, so that this node talks to them from its own.
func (v VirtualRouter) LinkLocalPeers() bool {
	for _, p := range v.Peers {
		if a, err := netip.ParseAddr(p); err == nil && a.Is6() && a.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
