package vrrp_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

var (
	src6  = netip.MustParseAddr("fe80::1")
	vip6  = netip.MustParsePrefix("2001:db8::100/128")
	self6 = netip.MustParseAddr("fe80::2")
)

// messageV6 is messageV3 with 2001:db8::100, without its checksum.
var messageV6 = []byte{0x31, 7, 200, 1, 0x00, 0x64, 0, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00}

// Its checksum, by hand:
//
//	3107+c801+0064+2001+0db8+0100 = 12825
//	with the pseudo-header of fe80::1, ff02::12, 112, 24 (RFC 8200 section 8.1):
//	    12825 + fe80+0001+ff02+0012+0070+0018 = 32642, folded 2645, complement d9ba
const sumV6 = 0xd9ba

func packet6(payload []byte) vrrp.Packet {
	return vrrp.Packet{Src: src6, Dst: vrrp.GroupIPv6, TTL: 255, Payload: payload}
}

// resum6 returns msg with a right checksum between src6 and the group, computed
// apart from the code under test.
func resum6(msg []byte) []byte {
	pseudo := slices.Concat(src6.AsSlice(), vrrp.GroupIPv6.AsSlice(), []byte{0, 0, byte(len(msg) >> 8), byte(len(msg)), 0, 0, 0, 112})
	whole := resum(slices.Concat(make([]byte, 8), pseudo, withSum(msg, 0)))
	return withSum(msg, uint16(whole[6])<<8|uint16(whole[7]))
}

func advert6(priority uint8) vrrp.Advertisement {
	a := advert(priority)
	a.Addrs = []netip.Addr{vip6.Addr()}
	return a
}

// Section 5.2.8: over IPv6 the checksum has the pseudo-header, always.
func TestSection5_2_8ChecksumOverIPv6(t *testing.T) {
	wire := withSum(messageV6, sumV6)
	for _, mode := range []vrrp.ChecksumMode{vrrp.PseudoHeader, vrrp.MessageOnly} {
		got := advert6(200).AppendTo([]byte("kept"), src6, vrrp.GroupIPv6, mode)
		if diff := cmp.Diff(append([]byte("kept"), wire...), got); diff != "" {
			t.Errorf("message in mode %s (-want +got):\n%s", mode, diff)
		}
	}
	got, err := vrrp.Parse(packet6(wire))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(advert6(200), got, cmpAddr); diff != "" {
		t.Errorf("advertisement (-want +got):\n%s", diff)
	}
}

// What keepalived 2.2.7 put on a wire, from fe80::ff:fe00:1 to ff02::12: VRID
// 51, priority 150, every second, 2001:db8::100.
func TestKeepalivedsIPv6MessagesAreReadAndWritten(t *testing.T) {
	from := netip.MustParseAddr("fe80::ff:fe00:1")
	wire := []byte{0x31, 0x33, 0x96, 1, 0, 0x64, 0x0c, 0x8f, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}
	want := vrrp.Advertisement{Version: vrrp.V3, VRID: 51, Priority: 150, Interval: time.Second, Addrs: []netip.Addr{vip6.Addr()}}
	got, err := vrrp.Parse(vrrp.Packet{Src: from, Dst: vrrp.GroupIPv6, TTL: 255, Payload: wire})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
		t.Errorf("advertisement (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wire, got.AppendTo(nil, from, vrrp.GroupIPv6, vrrp.PseudoHeader)); diff != "" {
		t.Errorf("written (-keepalived +ngha):\n%s", diff)
	}
}

func TestParseDiscardsOverIPv6(t *testing.T) {
	good := resum6(messageV6)
	hops := packet6(good)
	hops.TTL = 254
	from := func(a string) vrrp.Packet { p := packet6(good); p.Src = netip.MustParseAddr(a); return p }
	v2 := append(slices.Clone(messageV6), make([]byte, 8)...)
	v2[0], v2[4], v2[5] = 0x21, 0, 1
	for _, test := range []struct {
		name string
		p    vrrp.Packet
		want vrrp.Reason
	}{
		{"hop limit 254 (RFC 9568 section 5.1.2.3)", hops, vrrp.ReasonTTL},
		{"IPv4 source", from("198.51.100.1"), vrrp.ReasonFamily},
		{"unspecified source", from("::"), vrrp.ReasonSource},
		{"multicast source", from("ff02::12"), vrrp.ReasonSource},
		{"another source, whose checksum it is not", from("fe80::3"), vrrp.ReasonChecksum},
		{"message-only checksum (5.2.8)", packet6(resum(messageV6)), vrrp.ReasonChecksum},
		{"version 2, which knows IPv4 alone", packet6(resum6(v2)), vrrp.ReasonVersion},
		{"an IPv4 address", packet6(resum6(messageV3)), vrrp.ReasonLength},
		{"address cut", packet6(resum6(messageV6[:22])), vrrp.ReasonLength},
		{"HMAC trailer", packet6(resum6(append(slices.Clone(messageV6), make([]byte, 28)...))), vrrp.ReasonTrailer},
		{"count 0 (erratum 8299)", packet6(resum6(edit(messageV6, 3, 0)[:8])), vrrp.ReasonCount},
		{"interval 0 (erratum 8301)", packet6(resum6(edit(messageV6, 5, 0))), vrrp.ReasonInterval},
	} {
		t.Run(test.name, func(t *testing.T) {
			adv, err := vrrp.Parse(test.p)
			if d, ok := errors.AsType[*vrrp.DiscardError](err); !ok || d.Reason != test.want {
				t.Errorf("Parse = %+v, %v; want it discarded for %q", adv, err, test.want)
			}
		})
	}
}

// A receiver knows of no order: erratum 8300 wants a link-local address in the
// first place, and keepalived sends what it was given.
func TestErratum8300IsNoReasonToDiscard(t *testing.T) {
	if _, err := vrrp.Parse(packet6(resum6(messageV6))); err != nil {
		t.Errorf("a list that begins with a global address: %v", err)
	}
}

// over6 makes a bench's virtual router one of IPv6.
func over6(addrs ...string) func(*vrrp.Config) {
	return func(c *vrrp.Config) {
		c.Addrs = nil
		for _, a := range addrs {
			c.Addrs = append(c.Addrs, netip.MustParsePrefix(a))
		}
	}
}

// started returns a bench in Backup whose own address is self6.
func started6(t *testing.T, change ...func(*vrrp.Config)) *bench {
	t.Helper()
	b := newBench(t, append([]func(*vrrp.Config){over6("2001:db8::100/128")}, change...)...)
	b.step(0, vrrp.Startup{Source: self6})
	b.wantState(vrrp.Backup)
	return b
}

// Section 5.2.9: the first address is link-local if there is one; no other
// family's is in the list.
func TestSection5_2_9WhatIsAdvertised(t *testing.T) {
	for _, test := range []struct{ addrs, want []string }{
		{[]string{"2001:db8::100/128", "2001:db8::7/64"}, []string{"2001:db8::100", "2001:db8::7"}},
		{[]string{"2001:db8::100/128", "fe80::100/128", "fe80::7/128"}, []string{"fe80::100", "fe80::7", "2001:db8::100"}},
		{[]string{"2001:db8::100/128", "198.51.100.100/32"}, []string{"2001:db8::100"}},
		{[]string{"198.51.100.100/32", "fe80::100/128", "198.51.100.7/32"}, []string{"198.51.100.100", "198.51.100.7"}},
		{[]string{"198.51.100.100/32", "169.254.1.1/32"}, []string{"198.51.100.100", "169.254.1.1"}},
	} {
		b := newBench(t, over6(test.addrs...))
		source := self
		if netip.MustParsePrefix(test.addrs[0]).Addr().Is6() {
			source = self6
		}
		b.step(0, vrrp.Startup{Source: source})
		sent, ok := b.step(b.deadline(), vrrp.Timer{})[0].(vrrp.Send)
		if !ok {
			t.Fatal("nothing was sent")
		}
		var got []string
		for _, a := range sent.Adv.Addrs {
			got = append(got, a.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("of %v (-want +got):\n%s", test.addrs, diff)
		}
		if doubts := b.m.Doubts(sent.Adv); doubts != nil {
			t.Errorf("of %v: doubts %v about the own advertisement", test.addrs, doubts)
		}
	}
}

// Section 6.4.3: an equal priority is decided by the address, compared as an
// unsigned number in network order.
func TestSection6_4_3TiesOverIPv6(t *testing.T) {
	for _, test := range []struct {
		peer string
		want vrrp.State
	}{
		{"fe80::1", vrrp.Active},
		{"fe80::3", vrrp.Backup},
		{"fe80::8000:0:0:1", vrrp.Backup}, // greater than 127 in an octet
		{"2001:db8::ffff", vrrp.Active},   // greater in the last octet alone
	} {
		b := started6(t)
		b.step(b.deadline(), vrrp.Timer{})
		b.wantState(vrrp.Active)
		b.step(100*ms, vrrp.Received{Src: netip.MustParseAddr(test.peer), Adv: advert6(200)})
		if got := b.m.Status().State; got != test.want {
			t.Errorf("after the same priority from %s: %s, want %s", test.peer, got, test.want)
		}
	}
}

// Whoever speaks in the other family is of another virtual router, though of
// the same number.
func TestTheOtherFamilyIsDiscarded(t *testing.T) {
	b := started6(t)
	b.want(b.step(time.Second, vrrp.Received{Src: higher, Adv: advert(250)}), vrrp.Discard{Src: higher, Reason: vrrp.ReasonFamily})
	b.wantDeadline(down - time.Second)
}

func TestMulticastGroupIsTheElections(t *testing.T) {
	for want, addrs := range map[netip.Addr][]string{
		vrrp.GroupIPv4: {"198.51.100.100/32", "2001:db8::100/128"},
		vrrp.GroupIPv6: {"2001:db8::100/128", "198.51.100.100/32"},
	} {
		c := config()
		over6(addrs...)(&c)
		if got := c.MulticastGroup(); got != want {
			t.Errorf("group of %v is %s, want %s", addrs, got, want)
		}
	}
	if got := vrrp.GroupIPv6.String(); got != "ff02::12" {
		t.Errorf("group %s, want ff02::12 (RFC 9568 section 5.1.2.2)", got)
	}
}

// Over IPv6 the checksum covers the trailer, too.
func TestWhatIsSignedOverIPv6IsAccepted(t *testing.T) {
	sender, receiver := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
	for _, dst := range []netip.Addr{vrrp.GroupIPv6, self6} {
		p := vrrp.Packet{Src: src6, Dst: dst, TTL: 255}
		p.Payload = sender.Sign(advert6(200).AppendTo(nil, src6, dst, vrrp.PseudoHeader), src6, dst, noon)
		wantReason(t, authenticator(t, vrrp.Auth{}), p, noon, ok)
		if _, _, err := receiver.Parse(p, noon); err != nil {
			t.Errorf("signed for %s: %v", dst, err)
		}
		wantReason(t, receiver, p, noon, "replay")
		for i := range p.Payload {
			bad := p
			bad.Payload = edit(p.Payload, i, p.Payload[i]^1)
			if got := reasonOf(authenticator(t, vrrp.Auth{}), bad, noon); got == ok {
				t.Errorf("octet %d may be changed", i)
			}
		}
	}
}
