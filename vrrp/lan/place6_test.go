package lan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dual is eth0 with an address of IPv4, the link-local one, and those given.
func dual(addrs ...string) *table {
	t := kernel(own)
	for _, a := range append([]string{"fe80::1/64"}, addrs...) {
		with(t, 1, a, static)
	}
	return t
}

func static(a *address)    { a.static = true }
func tentative(a *address) { a.static, a.tentative = true, true }
func taken(a *address)     { a.static, a.taken = true, true }
func temporary(a *address) { a.secondary = true }
func given(*address)       {}

func unicast(s Spec) Spec { s.Multicast = false; return s }

func TestChooseForIPv6(t *testing.T) {
	const wide = "2001:db8::1/64"
	linkLocal := unicast(spec(vip6))
	linkLocal.LinkLocal = true
	for _, tt := range []struct {
		name string
		spec Spec
		t    *table
		want string
	}{
		{
			name: "multicast leaves from the link-local address (RFC 9568 section 5.1.2.1)",
			spec: spec(vip6),
			t:    dual(wide),
			want: "eth0 from fe80::1: [2001:db8::100/128]",
		},
		{
			name: "so does unicast to link-local peers",
			spec: linkLocal,
			t:    dual(wide),
			want: "eth0 from fe80::1: [2001:db8::100/128]",
		},
		{
			name: "other unicast leaves from the network of the virtual address",
			spec: unicast(spec(vip6)),
			t:    dual("2001:db8:0:1::1/64", wide, "2001:db8:0:2::1/64"),
			want: "eth0 from 2001:db8::1: [2001:db8::100/128]",
		},
		{
			name: "from an address that stays",
			spec: unicast(spec(vip6)),
			t:    with(with(with(dual(), 1, "2001:db8::5/64", given), 1, "2001:db8::9/64", static), 1, "2001:db8::1/64", temporary),
			want: "eth0 from 2001:db8::9: [2001:db8::100/128]",
		},
		{
			name: "and from none that is only wide enough for the link",
			spec: unicast(named("eth0", vip6)),
			t:    dual(),
			want: "interface eth0 has no IPv6 address of its own beside the link-local one, from which its peers could be reached: give it one, or list their link-local addresses",
		},
		{
			name: "a link-local virtual address is in every network, and finds none",
			spec: spec("fe80::100/128", vip6),
			t:    with(with(dual(wide), 2, "203.0.113.1/24", given), 2, "fe80::2/64", static),
			want: "eth0 from fe80::1: [fe80::100/128 2001:db8::100/128]",
		},
		{
			name: "beside IPv4 the election's source is IPv4's",
			spec: spec(vip, vip6),
			t:    dual(),
			want: "eth0 from 198.51.100.1: [198.51.100.100/32 2001:db8::100/128]",
		},
		{
			name: "an interface without IPv6 cannot hold an IPv6 address",
			spec: spec(vip, vip6),
			t:    kernel(own),
			want: "interface eth0 has no link-local IPv6 address of its own",
		},
		{
			name: "an address that is being looked for cannot be used yet",
			spec: named("eth0", vip6),
			t:    with(kernel(own), 1, "fe80::1/64", tentative),
			want: "interface eth0 has to wait for its address fe80::1 (duplicate address detection)",
		},
		{
			name: "one that another host has never",
			spec: named("eth0", vip6),
			t:    with(kernel(own), 1, "fe80::1/64", taken),
			want: "another host has fe80::1, the address of interface eth0 (duplicate address detection failed)",
		},
		{
			name: "own address",
			spec: spec(vip6, "2001:db8::1/128"),
			t:    dual(wide),
			want: "2001:db8::1 is an address of eth0 itself, it cannot be a virtual one: take another",
		},
		{
			name: "a virtual address is never the source",
			spec: unicast(named("eth0", vip6)),
			t:    with(dual("2001:db8:0:1::1/64"), 1, "2001:db8::1/128", tagged),
			want: "eth0 from 2001:db8:0:1::1: [2001:db8::100/128]",
		},
		{
			name: "a length is used where the node has no such network, and not beside it",
			spec: named("eth0", "2001:db8::100/64", "2001:db8:0:1::100/64", "fe80::100/64"),
			t:    dual(wide),
			want: "eth0 from fe80::1: [2001:db8::100/128 2001:db8:0:1::100/64 fe80::100/128]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, describe(choose(tt.spec, tt.t, nil))); diff != "" {
				t.Errorf("choose (-want +got):\n%s", diff)
			}
		})
	}
}
