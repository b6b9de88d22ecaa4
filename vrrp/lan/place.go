package lan

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// place is where and how a virtual router lives.
type place struct {
	index  int
	name   string
	source netip.Addr
	addrs  []netip.Prefix // the virtual addresses as they are installed
}

// choose finds the place for s, or the reason why there is none. held are the
// addresses that a Port has installed there: they are not the node's own, even
// where somebody has replaced them and the tag is lost.
func choose(s Spec, t *table, held *place) (place, error) {
	l, err := s.interfaceIn(t)
	if err != nil {
		return place{}, err
	}
	var own []address // of the node, on any interface
	for _, a := range t.addrs {
		mine := held != nil && a.index == held.index && slices.Contains(held.addrs, a.local)
		if !a.tagged && !mine && !t.links[a.index].face {
			own = append(own, a)
		}
	}
	for _, a := range own {
		if a.index == l.index && s.virtual(a.local.Addr()) {
			return place{}, fmt.Errorf("%s is an address of %s itself, it cannot be a virtual one: take another", a.local.Addr(), l.name)
		}
	}
	if !l.up {
		return place{}, linkError(fmt.Sprintf("interface %s is down: ip link set %[1]s up", l.name))
	}
	if !l.running {
		return place{}, linkError(fmt.Sprintf("interface %s has no carrier", l.name))
	}
	p := place{index: l.index, name: l.name}
	if s.any6() {
		if p.source, err = linkLocal(l, own); err != nil {
			return place{}, err
		}
	}
	switch {
	case !s.is6():
		p.source, err = source(l, own)
	case !s.Multicast && !s.LinkLocal:
		p.source, err = global(l, own, s.resident())
	}
	if err != nil {
		return place{}, err
	}
	for _, a := range s.Addrs {
		p.addrs = append(p.addrs, installed(a, own))
	}
	return p, nil
}

// linkError says that an interface is there, and down.
type linkError string

func (e linkError) Error() string { return string(e) }

// interfaceIn finds the one interface that s asks for.
func (s Spec) interfaceIn(t *table) (link, error) {
	if s.Interface != "" {
		if l, ok := t.byName(s.Interface); ok {
			return l, nil
		}
		return link{}, fmt.Errorf("interface %s does not exist", s.Interface)
	}
	return only(t.fitting(s.resident()), s.resident())
}

// only returns the one interface that fits a.
func only(fits []fit, a netip.Addr) (link, error) {
	if len(fits) == 1 {
		return fits[0].link, nil
	}
	if len(fits) == 0 {
		return link{}, fmt.Errorf("no interface has an address of its own in a network that holds %s: name the interface", a)
	}
	var names []string
	for _, f := range fits {
		names = append(names, fmt.Sprintf("%s (%s)", f.link.name, f.own.local))
	}
	return link{}, fmt.Errorf("several interfaces have networks that hold %s: %s: name the interface", a, strings.Join(names, ", "))
}

// source is the primary IPv4 address of l: the first one of the widest scope
// that is nobody's secondary. own has none of ours.
func source(l link, own []address) (netip.Addr, error) {
	var best *address
	for i, a := range own {
		if a.index == l.index && a.local.Addr().Is4() && !a.secondary && (best == nil || a.scope < best.scope) {
			best = &own[i]
		}
	}
	if best == nil {
		return netip.Addr{}, fmt.Errorf("interface %s has no IPv4 address of its own", l.name)
	}
	return best.local.Addr(), nil
}

// linkLocal is l's own link-local address, without which it does not speak IPv6.
func linkLocal(l link, own []address) (netip.Addr, error) {
	a, waits, ok := best6(l, own, func(a address) bool { return a.local.Addr().IsLinkLocalUnicast() }, netip.Addr{})
	switch {
	case ok:
		return a, nil
	case waits != nil:
		return netip.Addr{}, waits
	}
	return netip.Addr{}, &noIPv6Error{l.name}
}

// noIPv6Error says that an interface has no link-local address.
type noIPv6Error struct{ name string }

func (e *noIPv6Error) Error() string {
	return fmt.Sprintf("interface %s has no link-local IPv6 address of its own", e.name)
}

// global is the address of l's own from which it talks to peers in any network:
// if possible one of the network of near, and one that stays.
func global(l link, own []address, near netip.Addr) (netip.Addr, error) {
	a, waits, ok := best6(l, own, func(a address) bool { return !a.local.Addr().IsLinkLocalUnicast() && !a.secondary }, near)
	switch {
	case ok:
		return a, nil
	case waits != nil:
		return netip.Addr{}, waits
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no IPv6 address of its own beside the link-local one, from which its peers could be reached: give it one, or list their link-local addresses", l.name)
}

// best6 is the best of l's IPv6 addresses that suit: of the network of near before
// others, static ones before those that a router gave, low ones before high
// ones. What may not be used yet, or no more, is the reason it waits for.
func best6(l link, own []address, suits func(address) bool, near netip.Addr) (best netip.Addr, waits error, ok bool) {
	var found []address
	for _, a := range own {
		switch {
		case a.index != l.index || !a.local.Addr().Is6() || !suits(a):
		case a.taken:
			waits = fmt.Errorf("another host has %s, the address of interface %s (duplicate address detection failed)", a.local.Addr(), l.name)
		case a.tentative:
			waits = fmt.Errorf("interface %s has to wait for its address %s (duplicate address detection)", l.name, a.local.Addr())
		default:
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return netip.Addr{}, waits, false
	}
	rank := func(a address) int {
		n := 0
		if !a.network.Contains(near) {
			n += 2
		}
		if !a.static {
			n++
		}
		return n
	}
	return slices.MinFunc(found, func(a, b address) int {
		return cmp.Or(rank(a)-rank(b), a.local.Addr().Compare(b.local.Addr()))
	}).local.Addr(), nil, true
}

// installed is a as it is installed: with its length where that disturbs none
// of the node's own networks, else as /32 or /128. A network that overlaps would
// also give the node's own connections a virtual source.
func installed(a netip.Prefix, own []address) netip.Prefix {
	for _, o := range own {
		if a.Overlaps(o.network) || a.Contains(o.local.Addr()) {
			return netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
		}
	}
	return a
}

// differs names what makes p another place than q, nil: nothing.
func (p place) differs(q place) error {
	switch {
	case p.index != q.index && p.name == q.name:
		return fmt.Errorf("interface %s was replaced", p.name)
	case p.index != q.index:
		return fmt.Errorf("interface changed from %s to %s", p.name, q.name)
	case p.name != q.name:
		return fmt.Errorf("interface %s was renamed to %s", p.name, q.name)
	case p.source != q.source:
		return fmt.Errorf("source address of %s changed from %s to %s", p.name, p.source, q.source)
	case !slices.Equal(p.addrs, q.addrs):
		return errors.New("networks of the node changed")
	}
	return nil
}
