package lan

import (
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
		if !a.tagged && !mine {
			own = append(own, a)
		}
	}
	for _, a := range own {
		if a.index == l.index && s.virtual(a.local.Addr()) {
			return place{}, fmt.Errorf("%s is an address of %s itself, it cannot be a virtual one: take another", a.local.Addr(), l.name)
		}
	}
	if !l.up {
		return place{}, fmt.Errorf("interface %s is down: ip link set %[1]s up", l.name)
	}
	if !l.running {
		return place{}, fmt.Errorf("interface %s has no carrier", l.name)
	}
	p := place{index: l.index, name: l.name}
	if p.source, err = source(l, own); err != nil {
		return place{}, err
	}
	for _, a := range s.Addrs {
		p.addrs = append(p.addrs, installed(a, own))
	}
	return p, nil
}

// interfaceIn finds the one interface that s asks for.
func (s Spec) interfaceIn(t *table) (link, error) {
	if s.Interface != "" {
		if l, ok := t.byName(s.Interface); ok {
			return l, nil
		}
		return link{}, fmt.Errorf("interface %s does not exist", s.Interface)
	}
	return only(t.fitting(s.Addrs[0].Addr()), s.Addrs[0].Addr())
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

// source is the primary address of l: the first one of the widest scope that is
// nobody's secondary. own has none of ours.
func source(l link, own []address) (netip.Addr, error) {
	var best *address
	for i, a := range own {
		if a.index == l.index && !a.secondary && (best == nil || a.scope < best.scope) {
			best = &own[i]
		}
	}
	if best == nil {
		return netip.Addr{}, fmt.Errorf("interface %s has no IPv4 address of its own", l.name)
	}
	return best.local.Addr(), nil
}

// installed is a as it is installed: with its length where that disturbs none
// of the node's own networks, else as /32. A network that overlaps would also
// give the node's own connections a virtual source.
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
