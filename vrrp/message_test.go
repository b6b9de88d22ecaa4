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

var src = netip.MustParseAddr("198.51.100.1")

// Two messages without their checksums: VRID 7, priority 200, every second,
// 198.51.100.100.
var (
	messageV3 = []byte{0x31, 7, 200, 1, 0x00, 0x64, 0, 0, 198, 51, 100, 100}
	messageV2 = []byte{0x21, 7, 200, 1, 0, 1, 0, 0, 198, 51, 100, 100, 0, 0, 0, 0, 0, 0, 0, 0}
)

// Their checksums, by hand:
//
//	V3: 3107+c801+0064+c633+6464 = 22403, folded 2405, complement dbfa
//	V3 with the pseudo-header of 198.51.100.1, 224.0.0.18, 112, 12:
//	    22403 + c633+6401+e000+0012+0070+000c = 42ec5, folded 2ec9, complement d136
//	V2: 2107+c801+0001+c633+6464 = 213a0, folded 13a2, complement ec5d
const (
	sumMessageOnlyV3 = 0xdbfa
	sumPseudoV3      = 0xd136
	sumV2            = 0xec5d
)

// withSum returns msg with its checksum field set.
func withSum(msg []byte, sum uint16) []byte {
	msg = slices.Clone(msg)
	msg[6], msg[7] = byte(sum>>8), byte(sum)
	return msg
}

// resum returns msg with a right checksum, message only, computed apart from
// the code under test.
func resum(msg []byte) []byte {
	msg = withSum(msg, 0)
	var sum uint64
	for i, c := range msg {
		sum += uint64(c) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return withSum(msg, ^uint16(sum))
}

func packetOf(payload []byte) vrrp.Packet {
	return vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: 255, Payload: payload}
}

func TestAppendToWritesTheWireForm(t *testing.T) {
	v3 := vrrp.Advertisement{Version: vrrp.V3, VRID: 7, Priority: 200, Interval: time.Second, Addrs: []netip.Addr{vip.Addr()}}
	v2 := v3
	v2.Version = vrrp.V2
	for _, test := range []struct {
		name string
		adv  vrrp.Advertisement
		sum  vrrp.ChecksumMode
		want []byte
	}{
		{"v3 with pseudo-header", v3, vrrp.PseudoHeader, withSum(messageV3, sumPseudoV3)},
		{"v3 message only", v3, vrrp.MessageOnly, withSum(messageV3, sumMessageOnlyV3)},
		{"v2", v2, vrrp.MessageOnly, withSum(messageV2, sumV2)},
		{"v2 has no pseudo-header", v2, vrrp.PseudoHeader, withSum(messageV2, sumV2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.adv.AppendTo([]byte("kept"), src, vrrp.GroupIPv4, test.sum)
			if diff := cmp.Diff(append([]byte("kept"), test.want...), got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseReadsTheWireForm(t *testing.T) {
	v3 := vrrp.Advertisement{Version: vrrp.V3, VRID: 7, Priority: 200, Interval: time.Second, Addrs: []netip.Addr{vip.Addr()}}
	for _, test := range []struct {
		name    string
		payload []byte
		want    func(*vrrp.Advertisement)
	}{
		{"v3 with pseudo-header", withSum(messageV3, sumPseudoV3), func(*vrrp.Advertisement) {}},
		{"v3 message only", withSum(messageV3, sumMessageOnlyV3), func(a *vrrp.Advertisement) { a.Checksum = vrrp.MessageOnly }},
		{"v2", withSum(messageV2, sumV2), func(a *vrrp.Advertisement) { a.Version, a.Checksum = vrrp.V2, vrrp.MessageOnly }},
		{"reserved bits are ignored", resum(edit(messageV3, 4, 0xf0)), func(a *vrrp.Advertisement) { a.Checksum = vrrp.MessageOnly }},
		{"the longest interval", resum(edit(edit(messageV3, 4, 0x0f), 5, 0xff)), func(a *vrrp.Advertisement) {
			a.Checksum, a.Interval = vrrp.MessageOnly, 40950*time.Millisecond
		}},
		{"v2 authentication data is ignored", resum(edit(messageV2, 12, 'x')), func(a *vrrp.Advertisement) {
			a.Version, a.Checksum = vrrp.V2, vrrp.MessageOnly
		}},
		{"v2 password (RFC 2338 section 5.3.6.2)", resum(edit(edit(messageV2, 4, 1), 12, 'x')), func(a *vrrp.Advertisement) {
			a.Version, a.Checksum, a.Auth, a.Password = vrrp.V2, vrrp.MessageOnly, vrrp.AuthPassword, vrrp.Password{'x'}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := v3
			test.want(&want)
			got, err := vrrp.Parse(packetOf(test.payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
				t.Errorf("advertisement (-want +got):\n%s", diff)
			}
		})
	}
}

// edit returns a copy of msg with one octet changed.
func edit(msg []byte, at int, to byte) []byte {
	msg = slices.Clone(msg)
	msg[at] = to
	return msg
}

func TestParseDiscards(t *testing.T) {
	v3, v2 := resum(messageV3), resum(messageV2)
	longest := append(slices.Clone(v3), make([]byte, 28)...) // keepalived's HMAC trailer
	for _, test := range []struct {
		name string
		p    vrrp.Packet
		want vrrp.Reason
	}{
		{"TTL 254 (RFC 9568 section 5.1.1.3)", vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: 254, Payload: v3}, vrrp.ReasonTTL},
		{"IPv6 source", vrrp.Packet{Src: netip.MustParseAddr("fe80::1"), Dst: vrrp.GroupIPv4, TTL: 255, Payload: v3}, vrrp.ReasonFamily},
		{"IPv6 destination", vrrp.Packet{Src: src, Dst: netip.MustParseAddr("ff02::12"), TTL: 255, Payload: v3}, vrrp.ReasonFamily},
		{"no source", vrrp.Packet{Dst: vrrp.GroupIPv4, TTL: 255, Payload: v3}, vrrp.ReasonFamily},
		{"unspecified source", vrrp.Packet{Src: netip.IPv4Unspecified(), Dst: vrrp.GroupIPv4, TTL: 255, Payload: v3}, vrrp.ReasonSource},
		{"multicast source", vrrp.Packet{Src: vrrp.GroupIPv4, Dst: vrrp.GroupIPv4, TTL: 255, Payload: v3}, vrrp.ReasonSource},
		{"empty", packetOf(nil), vrrp.ReasonLength},
		{"header cut (5.2.2, 7.1)", packetOf(v3[:7]), vrrp.ReasonLength},
		{"address cut", packetOf(v3[:11]), vrrp.ReasonLength},
		{"v2 without authentication data", packetOf(v2[:12]), vrrp.ReasonLength},
		{"version 1", packetOf(resum(edit(v3, 0, 0x11))), vrrp.ReasonVersion},
		{"version 4", packetOf(resum(edit(v3, 0, 0x41))), vrrp.ReasonVersion},
		{"type 2", packetOf(resum(edit(v3, 0, 0x32))), vrrp.ReasonType},
		{"surplus octet", packetOf(append(slices.Clone(v3), 0)), vrrp.ReasonTrailer},
		{"HMAC trailer", packetOf(longest), vrrp.ReasonTrailer},
		{"v3 checksum (5.2.8)", packetOf(edit(v3, 6, v3[6]^1)), vrrp.ReasonChecksum},
		{"v2 checksum", packetOf(edit(v2, 7, v2[7]^1)), vrrp.ReasonChecksum},
		{"v2 authentication header (RFC 3768 section 5.3.6)", packetOf(resum(edit(v2, 4, 2))), vrrp.ReasonAuth},
		{"v3 count 0 (erratum 8299)", packetOf(resum(edit(v3, 3, 0)[:8])), vrrp.ReasonCount},
		{"VRID 0", packetOf(resum(edit(v3, 1, 0))), vrrp.ReasonVRID},
		{"v3 interval 0 (erratum 8301)", packetOf(resum(edit(v3, 5, 0))), vrrp.ReasonInterval},
		{"v3 interval 0 with reserved bits", packetOf(resum(edit(edit(v3, 5, 0), 4, 0xf0))), vrrp.ReasonInterval},
		{"v2 interval 0", packetOf(resum(edit(v2, 5, 0))), vrrp.ReasonInterval},
	} {
		t.Run(test.name, func(t *testing.T) {
			adv, err := vrrp.Parse(test.p)
			d, ok := errors.AsType[*vrrp.DiscardError](err)
			if !ok {
				t.Fatalf("Parse = %+v, %v; want a DiscardError", adv, err)
			}
			if d.Reason != test.want {
				t.Errorf("discarded for %q, want %q", d.Reason, test.want)
			}
		})
	}
}

// A checksum with a pseudo-header holds between two addresses only.
func TestParseDiscardsAPseudoHeaderOfOtherAddresses(t *testing.T) {
	p := packetOf(withSum(messageV3, sumPseudoV3))
	p.Src = netip.MustParseAddr("198.51.100.9")
	_, err := vrrp.Parse(p)
	if d, ok := errors.AsType[*vrrp.DiscardError](err); !ok || d.Reason != vrrp.ReasonChecksum {
		t.Errorf("Parse: %v, want it discarded for its checksum", err)
	}
}

func TestReasonsHaveWordsOfTheirOwn(t *testing.T) {
	seen := make(map[string]vrrp.Reason)
	for r := range vrrp.NumReasons {
		word := r.String()
		if other, ok := seen[word]; ok || word == "" || word == "invalid" {
			t.Errorf("reason %d is called %q, like reason %d", r, word, other)
		}
		seen[word] = r
	}
}

// What keepalived 2.2.7 put on a wire, from 198.51.100.1: VRID 51, priority
// 150, every second, 198.51.100.100.
func TestKeepalivedsMessagesAreReadAndWritten(t *testing.T) {
	for version, wire := range map[vrrp.Version][]byte{
		vrrp.V2: {0x21, 0x33, 0x96, 1, 0, 1, 0x1e, 0x32, 0xc6, 0x33, 0x64, 0x64, 0, 0, 0, 0, 0, 0, 0, 0},
		vrrp.V3: {0x31, 0x33, 0x96, 1, 0, 0x64, 0x03, 0x0b, 0xc6, 0x33, 0x64, 0x64},
	} {
		want := vrrp.Advertisement{Version: version, VRID: 51, Priority: 150, Interval: time.Second, Addrs: []netip.Addr{vip.Addr()}}
		if version == vrrp.V2 {
			want.Checksum = vrrp.MessageOnly
		}
		got, err := vrrp.Parse(packetOf(wire))
		if err != nil {
			t.Errorf("version %d: %v", version, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
			t.Errorf("version %d (-want +got):\n%s", version, diff)
		}
		if diff := cmp.Diff(wire, got.AppendTo(nil, src, vrrp.GroupIPv4, vrrp.PseudoHeader)); diff != "" {
			t.Errorf("version %d, written (-keepalived +ngha):\n%s", version, diff)
		}
	}
}

func TestChecksumModesAreCalledAsInTheConfiguration(t *testing.T) {
	for mode, want := range map[vrrp.ChecksumMode]string{
		vrrp.PseudoHeader: "pseudo-header",
		vrrp.MessageOnly:  "rfc9568",
		2:                 "invalid",
	} {
		if got := mode.String(); got != want {
			t.Errorf("mode %d is called %q, want %q", mode, got, want)
		}
	}
}
