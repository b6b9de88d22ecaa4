package lan

import (
	"cmp"
	"net/netip"
	"slices"
)

// table is what the kernel has told of interfaces and their addresses.
type table struct {
	links map[int]link
	addrs []address // of each interface in the kernel's order, of IPv4 the primary one first
}

// link is one interface.
type link struct {
	index    int
	name     string
	mac      mac  // zero: it has none
	up       bool // as the administrator wants it
	running  bool // it has carrier and its driver says it works
	loopback bool
	face     bool // made for a virtual MAC address
}

// address is one address of an interface.
type address struct {
	index     int
	local     netip.Prefix // the address with its length
	network   netip.Prefix // what is reached through it; a point-to-point link's is the peer's
	scope     uint8        // 0 global, growing narrower
	secondary bool         // of IPv6: temporary
	static    bool         // without an end to its lifetime
	tentative bool         // the kernel looks whether another host has it; IPv6
	taken     bool         // another host has it; IPv6
	tagged    bool         // by us, or another ngha
}

// same tells whether a and b are the same entry of the kernel's, whatever else
// became of it.
func (a address) same(b address) bool {
	return a.index == b.index && a.local == b.local && a.network == b.network
}

// update is one change of the table.
type update struct {
	link *link    // one of the two is not nil
	addr *address //
	gone bool
	by   uint32 // the netlink port that asked for it, 0: the kernel itself
}

// apply brings u into t and tells whether that changed anything.
func (t *table) apply(u update) bool {
	if u.link != nil {
		return t.applyLink(*u.link, u.gone)
	}
	at := slices.IndexFunc(t.addrs, u.addr.same)
	switch {
	case u.gone && at >= 0:
		t.addrs = slices.Delete(t.addrs, at, at+1)
	case u.gone:
		return false
	case at < 0:
		t.addrs = append(t.addrs, *u.addr)
	case t.addrs[at] == *u.addr: // a renewed lease, as a rule
		return false
	default:
		t.addrs[at] = *u.addr
	}
	return true
}

func (t *table) applyLink(l link, gone bool) bool {
	old, known := t.links[l.index]
	if gone {
		delete(t.links, l.index)
		return known
	}
	if l.mac == (mac{}) { // not every notification repeats it
		l.mac = old.mac
	}
	if known && l == old {
		return false
	}
	if t.links == nil {
		t.links = make(map[int]link)
	}
	t.links[l.index] = l
	return true
}

// byName finds an interface.
func (t *table) byName(name string) (link, bool) {
	for _, l := range t.links {
		if l.name == name {
			return l, true
		}
	}
	return link{}, false
}

// has tells whether the address is installed on the interface as written.
func (t *table) has(index int, local netip.Prefix) bool {
	return slices.ContainsFunc(t.addrs, func(a address) bool { return a.index == index && a.local == local })
}

// fitting returns the interfaces with an own address whose network holds a, by
// name, and with each the first such address. An address that is its own
// network holds nothing but itself and says nothing of where it belongs.
func (t *table) fitting(a netip.Addr) []fit {
	var fits []fit
	for _, own := range t.addrs {
		l, ok := t.links[own.index]
		if !ok || l.loopback || l.face || own.tagged || own.network.IsSingleIP() || !own.network.Contains(a) {
			continue
		}
		if !slices.ContainsFunc(fits, func(f fit) bool { return f.link.index == l.index }) {
			fits = append(fits, fit{l, own})
		}
	}
	slices.SortFunc(fits, func(a, b fit) int { return cmp.Compare(a.link.name, b.link.name) })
	return fits
}

// fit is an interface and the own address for which it was chosen.
type fit struct {
	link link
	own  address
}
