package supervisor

import (
	"cmp"
	"net/netip"
	"slices"

	"ngha/supervisor/config"
	"ngha/vrrp"
	"ngha/vrrp/router"
)

// grouped returns virtual routers as configured, each with its place in its
// group. The leader of a group must be the same one on all nodes, whatever the
// order there: it is the one with the lowest VRID and, of the same on several
// interfaces, the lowest address.
func grouped(vs []config.VirtualRouter) []config.VirtualRouter {
	leaders := make(map[string]int)
	for i, v := range vs {
		if l, ok := leaders[v.Group]; !ok || before(v.VRRP, vs[l].VRRP) {
			leaders[v.Group] = i
		}
	}
	list := slices.Clone(vs)
	for i := range list {
		if v := &list[i]; v.Group != "" {
			v.VRRP.Grouped = vrrp.Group{Name: v.Group, Member: v.Name, Follows: leaders[v.Group] != i}
		}
	}
	return list
}

func before(a, b vrrp.Config) bool {
	return cmp.Or(cmp.Compare(a.VRID, b.VRID), lowest(a).Compare(lowest(b))) < 0
}

// lowest is the lowest virtual address.
func lowest(c vrrp.Config) netip.Addr {
	first := c.Addrs[0].Addr()
	for _, p := range c.Addrs[1:] {
		if p.Addr().Less(first) {
			first = p.Addr()
		}
	}
	return first
}

// bind lets the members of each group know of each other.
func bind(all []*virtualRouter) {
	members := make(map[string][]*router.Router)
	for _, v := range all {
		if v.config.Group != "" {
			members[v.config.Group] = append(members[v.config.Group], v.router)
		}
	}
	for _, group := range members {
		router.Bind(group...)
	}
}
