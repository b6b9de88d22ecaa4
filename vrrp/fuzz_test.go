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

// FuzzParse looks for a packet that panics, that is accepted though the RFC
// discards it, or that changes its meaning when it is written again.
func FuzzParse(f *testing.F) {
	for _, seed := range []struct {
		why     string
		six     bool // over IPv6
		ttl     uint8
		payload []byte
	}{
		{"keepalived's sum", false, 255, withSum(messageV3, sumPseudoV3)},
		{"the RFC's sum", false, 255, withSum(messageV3, sumMessageOnlyV3)},
		{"version 2", false, 255, withSum(messageV2, sumV2)},
		{"version 2 with a password", false, 255, resum(edit(edit(messageV2, 4, 1), 12, 'x'))},
		{"version 2 with an authentication that is none of ours", false, 255, resum(edit(messageV2, 4, 2))},
		{"routed", false, 1, withSum(messageV2, sumV2)},
		{"no address", false, 255, resum(edit(messageV3, 3, 0))},
		{"no interval, which would make a Backup fire at once", false, 255, resum(edit(messageV3, 5, 0))},
		{"all reserved bits", false, 255, resum(edit(messageV3, 4, 0xff))},
		{"as many addresses as can be", false, 255, resum(append([]byte{0x31, 7, 200, 255, 0, 100, 0, 0}, make([]byte, 4*255)...))},
		{"a trailer", false, 255, append(resum(messageV3), make([]byte, 28)...)},
		{"shorter than its header", false, 255, messageV3[:7]},
		{"keepalived's and the RFC's sum", true, 255, withSum(messageV6, sumV6)},
		{"routed", true, 1, withSum(messageV6, sumV6)},
		{"a sum without the pseudo-header", true, 255, resum(messageV6)},
		{"version 2", true, 255, resum6(edit(messageV6, 0, 0x21))},
		{"an address of IPv4", true, 255, resum6(messageV3)},
		{"no address", true, 255, resum6(edit(messageV6, 3, 0)[:8])},
		{"no interval", true, 255, resum6(edit(messageV6, 5, 0))},
		{"as many addresses as can be", true, 255, resum6(append([]byte{0x31, 7, 200, 255, 0, 100, 0, 0}, make([]byte, 16*255)...))},
		{"a trailer", true, 255, resum6(append(slices.Clone(messageV6), make([]byte, 28)...))},
	} {
		f.Add(seed.six, seed.ttl, seed.payload)
	}
	f.Fuzz(func(t *testing.T, six bool, ttl uint8, payload []byte) {
		p := vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: ttl, Payload: payload}
		if six {
			p.Src, p.Dst = src6, vrrp.GroupIPv6
		}
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
	six := p.Src.Is6()
	want := 8 + p.Src.BitLen()/8*int(msg[3])
	if v2 {
		want += 8
	}
	// A right sum is all ones, or zero before it is complemented: resum
	// yields the same octets, for message-only ones.
	messageOnly := string(resum(msg)) == string(msg)
	switch {
	case six && v2:
		return "version 2 over IPv6"
	case six && adv.Checksum != vrrp.PseudoHeader:
		return "checksum mode over IPv6"
	case six && string(resum6(msg)) != string(msg) && !sumIsZero(msg, resum6(msg)):
		return "checksum over IPv6"
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
	case v2 && (msg[4] > 1 || msg[5] == 0):
		return "authentication or interval"
	case (adv.Auth == vrrp.AuthPassword) != (v2 && msg[4] == 1):
		return "authentication type"
	case v3 && msg[4]&0x0f == 0 && msg[5] == 0:
		return "interval"
	case v2 && adv.Checksum != vrrp.MessageOnly:
		return "checksum mode"
	case adv.Checksum == vrrp.MessageOnly && !messageOnly && !sumIsZero(msg, resum(msg)):
		return "checksum"
	}
	for _, a := range adv.Addrs {
		if a.Is6() != six || a == (netip.Addr{}) {
			return "address"
		}
	}
	return ""
}

// sumIsZero reports the one case in which two checksums are right: ffff and
// 0000 are the same number in ones' complement. right is msg with its own.
func sumIsZero(msg, right []byte) bool {
	return (right[6] == 0 && right[7] == 0) && msg[6] == 0xff && msg[7] == 0xff
}

// FuzzAuthenticator looks for a packet that panics, that is accepted without
// a signature, or with one that nobody made, or twice.
func FuzzAuthenticator(f *testing.F) {
	signer, err := vrrp.NewAuthenticator(vrrp.Auth{Window: 5 * time.Second}, []vrrp.Key{key(1)})
	if err != nil {
		f.Fatal(err)
	}
	real := make(map[string]bool) // what was signed
	for _, seed := range []struct {
		why     string
		message []byte
		at      time.Time
	}{
		{"version 3", resum(messageV3), noon},
		{"version 2, whose trailer follows authentication data", resum(messageV2), noon},
		{"out of the window", resum(messageV3), noon.Add(time.Minute)},
		{"the counter's overflow", resum(messageV3), time.Unix(1<<32-1, 999999999)},
		{"a message that is refused, signed", resum(edit(messageV3, 3, 0)), noon},
	} {
		payload := signer.Sign(slices.Clone(seed.message), src, vrrp.GroupIPv4, seed.at)
		real[string(payload)] = true
		f.Add(false, payload, seed.at.Unix(), uint8(0))
		f.Add(false, payload, seed.at.Unix(), uint8(1))
	}
	payload := signer.Sign(resum6(messageV6), src6, vrrp.GroupIPv6, noon)
	real[string(payload)] = true
	f.Add(true, payload, noon.Unix(), uint8(0))
	f.Add(true, resum6(messageV6), noon.Unix(), uint8(1))            // without a signature
	f.Add(false, resum(messageV3), noon.Unix(), uint8(0))            // without a signature
	f.Add(false, resum(messageV3), noon.Unix(), uint8(1))            // and accepted so
	f.Add(false, make([]byte, 28), noon.Unix(), uint8(0))            // nothing but a trailer
	f.Add(false, append(resum(messageV3), 1), noon.Unix(), uint8(0)) // part of a trailer
	f.Add(false, withSum(messageV3, 0), int64(-1<<63), uint8(0))     // a clock at the end of the world
	f.Fuzz(func(t *testing.T, six bool, payload []byte, clock int64, mode uint8) {
		a, err := vrrp.NewAuthenticator(vrrp.Auth{Mode: vrrp.AuthMode(mode % 3), Window: 5 * time.Second}, []vrrp.Key{key(1)})
		if err != nil {
			t.Fatal(err)
		}
		p, at := packetOf(payload), time.Unix(clock, 0)
		if six {
			p = packet6(payload)
		}
		adv, skew, err := a.Parse(p, at)
		if err != nil {
			if _, ok := errors.AsType[*vrrp.DiscardError](err); !ok {
				t.Fatalf("Parse: %v is not a DiscardError", err)
			}
			return
		}
		plain := 8 + p.Src.BitLen()/8*len(adv.Addrs)
		if adv.Version == vrrp.V2 {
			plain += 8
		}
		switch {
		case len(payload) == plain && vrrp.AuthMode(mode%3) != vrrp.AuthEnforce:
			return // without a signature, as it may be
		case len(payload) != plain+28:
			t.Fatalf("accepted %x, which has no trailer", payload)
		case !real[string(payload)]:
			for genuine := range real { // but for the checksum, which has two right values
				if len(genuine) == len(payload) && genuine[:6] == string(payload[:6]) && genuine[8:] == string(payload[8:]) {
					real[string(payload)] = true
				}
			}
			if !real[string(payload)] {
				t.Fatalf("accepted %x, which nobody signed", payload)
			}
		}
		if skew.Abs() > 5*time.Second {
			t.Fatalf("accepted %x with clocks %s apart", payload, skew)
		}
		if _, _, err := a.Parse(p, at); err == nil {
			t.Fatalf("accepted %x twice", payload)
		}
	})
}
