package lan

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kernel builds a table: eth0, eth1 ... up and running, with an address each.
func kernel(addrs ...string) *table {
	t := &table{}
	for i, a := range addrs {
		t.apply(update{link: &link{index: i + 1, name: fmt.Sprintf("eth%d", i), up: true, running: true}})
		t.apply(update{addr: at(i+1, a)})
	}
	return t
}

// at is an address of the node's own.
func at(index int, a string) *address {
	p := netip.MustParsePrefix(a)
	return &address{index: index, local: p, network: p.Masked()}
}

func with(t *table, index int, a string, change func(*address)) *table {
	x := at(index, a)
	change(x)
	t.apply(update{addr: x})
	return t
}

func tagged(a *address) { a.tagged = true }

// describe is a place, or the reason why there is none, in one line.
func describe(p place, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s from %s: %v", p.name, p.source, p.addrs)
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Spec
		t    *table
		want string
	}{
		{
			name: "the interface whose network holds the address",
			spec: spec("203.0.113.100/32"),
			t:    kernel("198.51.100.1/24", "203.0.113.1/24"),
			want: "eth1 from 203.0.113.1: [203.0.113.100/32]",
		},
		{
			name: "two addresses in the network are one interface",
			spec: spec(vip),
			t:    with(kernel(own), 1, "198.51.100.2/24", func(a *address) { a.secondary = true }),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32]",
		},
		{
			name: "an address without a network says nothing of where another belongs",
			spec: spec("198.51.100.1/32"),
			t:    kernel("198.51.100.1/32"),
			want: "no interface has an address of its own in a network that holds 198.51.100.1: name the interface",
		},
		{
			name: "another virtual router's network says nothing either",
			spec: spec(vip),
			t:    with(kernel("203.0.113.1/24"), 1, "198.51.100.7/24", tagged),
			want: "no interface has an address of its own in a network that holds 198.51.100.100: name the interface",
		},
		{
			name: "a virtual address is never the source",
			spec: named("eth0", vip),
			t:    with(kernel("203.0.113.1/24"), 1, vip, tagged),
			want: "eth0 from 203.0.113.1: [198.51.100.100/32]",
		},
		{
			name: "a leftover alone is no source",
			spec: named("eth0", vip),
			t:    with(&table{links: kernel(own).links}, 1, vip, tagged),
			want: "interface eth0 has no IPv4 address of its own",
		},
		{
			name: "a global address is a better source than a link-local one before it",
			spec: named("eth0", vip),
			t:    with(with(&table{links: kernel(own).links}, 1, "169.254.1.1/16", func(a *address) { a.scope = 253 }), 1, own, func(*address) {}),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32]",
		},
		{
			name: "own address",
			spec: named("eth0", "203.0.113.100/32", "198.51.100.1/32"),
			t:    kernel(own),
			want: "198.51.100.1 is an address of eth0 itself, it cannot be a virtual one: take another",
		},
		{
			name: "a length is used where the node has no such network",
			spec: named("eth0", "203.0.113.100/24"),
			t:    kernel(own),
			want: "eth0 from 198.51.100.1: [203.0.113.100/24]",
		},
		{
			name: "beside an own address in the network it is not",
			spec: named("eth0", "198.51.100.100/24"),
			t:    kernel(own),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32]",
		},
		{
			name: "nor where an own network is wider",
			spec: named("eth0", "198.18.5.100/24"),
			t:    kernel("198.18.0.1/15"),
			want: "eth0 from 198.18.0.1: [198.18.5.100/32]",
		},
		{
			name: "nor where an own address has no network",
			spec: named("eth0", "198.51.100.100/24"),
			t:    kernel("198.51.100.1/32"),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32]",
		},
		{
			name: "nor where it holds the near end of a point-to-point link",
			spec: named("eth0", "198.51.100.100/24"),
			t: with(&table{links: kernel(own).links}, 1, "198.51.100.1/32", func(a *address) {
				a.network = netip.MustParsePrefix("203.0.113.1/32")
			}),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32]",
		},
		{
			name: "nor where the network is another interface's",
			spec: named("eth1", "198.51.100.100/24"),
			t:    kernel(own, "203.0.113.1/24"),
			want: "eth1 from 203.0.113.1: [198.51.100.100/32]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, describe(choose(tt.spec, tt.t, nil))); diff != "" {
				t.Errorf("choose (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHeldAddressIsNotTheNodesOwn: somebody has replaced it, or the kernel
// keeps no tags.
func TestHeldAddressIsNotTheNodesOwn(t *testing.T) {
	tab := with(kernel(own), 1, vip, func(*address) {})
	held := place{index: 1, addrs: spec(vip).Addrs}
	want := "eth0 from 198.51.100.1: [198.51.100.100/32]"
	if diff := cmp.Diff(want, describe(choose(spec(vip), tab, &held))); diff != "" {
		t.Errorf("choose (-want +got):\n%s", diff)
	}
	held.index = 2
	if _, err := choose(spec(vip), tab, &held); err == nil {
		t.Error("an address that is held elsewhere passes for ours")
	}
}

// TestRenewedLeaseChangesNothing: it comes with every advertisement.
func TestRenewedLeaseChangesNothing(t *testing.T) {
	tab := with(kernel(own), 1, vip, tagged)
	again := *at(1, vip)
	again.tagged = true
	if tab.apply(update{addr: &again}) {
		t.Error("the same address again is a change")
	}
	l := tab.links[1]
	if tab.apply(update{link: &l}) {
		t.Error("the same interface again is a change")
	}
}

func TestHardwareAddressIsKeptWhereANotificationLeavesItOut(t *testing.T) {
	tab := &table{}
	tab.apply(update{link: &link{index: 1, name: "eth0", mac: mac{2, 0, 0, 0, 0, 1}}})
	tab.apply(update{link: &link{index: 1, name: "eth0", up: true}})
	want := link{index: 1, name: "eth0", mac: mac{2, 0, 0, 0, 0, 1}, up: true}
	if got := tab.links[1]; got != want {
		t.Errorf("link %+v, want %+v", got, want)
	}
}
