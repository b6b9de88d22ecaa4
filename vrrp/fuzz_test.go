package vrrp_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

// FuzzParse looks for a packet that panics, that is accepted though the RFC
// discards it, or that changes its meaning when it is written again.
func FuzzParse(f *testing.F) {
	f.Add(uint8(255), withSum(messageV3, sumPseudoV3))
	f.Add(uint8(255), withSum(messageV3, sumMessageOnlyV3))
	f.Add(uint8(255), withSum(messageV2, sumV2))
	f.Add(uint8(1), withSum(messageV2, sumV2))
	f.Add(uint8(255), resum(edit(messageV3, 3, 0)))
	f.Add(uint8(255), resum(edit(messageV3, 5, 0)))
	f.Add(uint8(255), resum(edit(messageV3, 4, 0xff)))
	f.Add(uint8(255), resum(append([]byte{0x31, 7, 200, 255, 0, 100, 0, 0}, make([]byte, 4*255)...)))
	f.Fuzz(func(t *testing.T, ttl uint8, payload []byte) {
		p := vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: ttl, Payload: payload}
		adv, err := vrrp.Parse(p)
		if err != nil {
			if _, ok := errors.AsType[*vrrp.DiscardError](err); !ok {
				t.Fatalf("Parse: %v is not a DiscardError", err)
			}
			return
		}
		if why := unlawful(p, adv); why != "" {
			t.Fatalf("accepted %+v from %x: %s", adv, payload, why)
		}
		p.TTL, p.Payload = vrrp.TTL, adv.AppendTo(nil, p.Src, p.Dst, adv.Checksum)
		if len(p.Payload) != len(payload) {
			t.Fatalf("%d octets became %d", len(payload), len(p.Payload))
		}
		again, err := vrrp.Parse(p)
		if err != nil {
			t.Fatalf("what was written is discarded: %v", err)
		}
		if diff := cmp.Diff(adv, again, cmpAddr); diff != "" {
			t.Fatalf("after writing and parsing again (-first +second):\n%s", diff)
		}
	})
}

// unlawful says what the RFCs have against the accepted p, told from the
// octets and not from the code under test.
func unlawful(p vrrp.Packet, adv vrrp.Advertisement) string {
	msg := p.Payload
	v2, v3 := msg[0] == 0x21, msg[0] == 0x31
	want := 8 + 4*int(msg[3])
	if v2 {
		want += 8
	}
	// A right sum is all ones, or zero before it is complemented: resum
	// yields the same octets, for message-only ones.
	messageOnly := string(resum(msg)) == string(msg)
	switch {
	case p.TTL != 255:
		return "TTL"
	case !v2 && !v3:
		return "version or type"
	case len(msg) != want:
		return "length"
	case msg[3] == 0 || len(adv.Addrs) != int(msg[3]):
		return "count"
	case msg[1] == 0 || adv.VRID != msg[1]:
		return "VRID"
	case v2 && (msg[4] != 0 || msg[5] == 0):
		return "authentication or interval"
	case v3 && msg[4]&0x0f == 0 && msg[5] == 0:
		return "interval"
	case v2 && adv.Checksum != vrrp.MessageOnly:
		return "checksum mode"
	case adv.Checksum == vrrp.MessageOnly && !messageOnly && !sumIsZero(msg):
		return "checksum"
	}
	for _, a := range adv.Addrs {
		if !a.Is4() || a == (netip.Addr{}) {
			return "address"
		}
	}
	return ""
}

// sumIsZero reports the one case in which two checksums are right: ffff and
// 0000 are the same number in ones' complement.
func sumIsZero(msg []byte) bool {
	zero := resum(msg)
	return (zero[6] == 0 && zero[7] == 0) && msg[6] == 0xff && msg[7] == 0xff
}
