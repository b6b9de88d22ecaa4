package supervisor

import (
	"net/netip"
	"slices"
	"testing"

	"ngha/supervisor/config"
	"ngha/vrrp"
)

// In whatever order a node's configuration has them, and each its addresses,
// the same one leads.
func TestLeaderOfAGroupIsTheSameEverywhere(t *testing.T) {
	member := func(name, group string, vrid uint8, addrs ...string) config.VirtualRouter {
		v := config.VirtualRouter{Name: name, Group: group, VRRP: vrrp.Config{VRID: vrid}}
		for _, a := range addrs {
			v.VRRP.Addrs = append(v.VRRP.Addrs, netip.MustParsePrefix(a))
		}
		return v
	}
	vs := []config.VirtualRouter{
		member("outside", "edge", 7, "203.0.113.1/32"),
		member("inside", "edge", 7, "203.0.113.9/32", "198.51.100.1/32"),
		member("third", "edge", 8, "192.0.2.1/32"),
		member("high", "core", 9, "192.0.2.3/32"),
		member("low", "core", 5, "192.0.2.2/32"),
		member("alone", "", 1, "192.0.2.4/32"),
	}
	for range len(vs) {
		vs = append(vs[1:], vs[0])
		reversed := slices.Clone(vs)
		slices.Reverse(reversed)
		for _, order := range [][]config.VirtualRouter{vs, reversed} {
			for _, v := range grouped(order) {
				leads := v.Name == "inside" || v.Name == "low"
				if v.Group == "" {
					if v.VRRP.Grouped != (vrrp.Group{}) {
						t.Errorf("%s is in %+v, want in no group", v.Name, v.VRRP.Grouped)
					}
					continue
				}
				if want := (vrrp.Group{Name: v.Group, Member: v.Name, Follows: !leads}); v.VRRP.Grouped != want {
					t.Errorf("%s is in %+v, want %+v", v.Name, v.VRRP.Grouped, want)
				}
			}
		}
	}
}
