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
		ttl     uint8
		payload []byte
	}{
		{"keepalived's sum", 255, withSum(messageV3, sumPseudoV3)},
		{"the RFC's sum", 255, withSum(messageV3, sumMessageOnlyV3)},
		{"version 2", 255, withSum(messageV2, sumV2)},
		{"version 2 with a password", 255, resum(edit(edit(messageV2, 4, 1), 12, 'x'))},
		{"version 2 with an authentication that is none of ours", 255, resum(edit(messageV2, 4, 2))},
		{"routed", 1, withSum(messageV2, sumV2)},
		{"no address", 255, resum(edit(messageV3, 3, 0))},
		{"no interval, which would make a Backup fire at once", 255, resum(edit(messageV3, 5, 0))},
		{"all reserved bits", 255, resum(edit(messageV3, 4, 0xff))},
		{"as many addresses as can be", 255, resum(append([]byte{0x31, 7, 200, 255, 0, 100, 0, 0}, make([]byte, 4*255)...))},
		{"a trailer", 255, append(resum(messageV3), make([]byte, 28)...)},
		{"shorter than its header", 255, messageV3[:7]},
	} {
		f.Add(seed.ttl, seed.payload)
	}
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
	case v2 && (msg[4] > 1 || msg[5] == 0):
		return "authentication or interval"
	case (adv.Auth == vrrp.AuthPassword) != (v2 && msg[4] == 1):
		return "authentication type"
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
		f.Add(payload, seed.at.Unix(), uint8(0))
		f.Add(payload, seed.at.Unix(), uint8(1))
	}
	f.Add(resum(messageV3), noon.Unix(), uint8(0))            // without a signature
	f.Add(resum(messageV3), noon.Unix(), uint8(1))            // and accepted so
	f.Add(make([]byte, 28), noon.Unix(), uint8(0))            // nothing but a trailer
	f.Add(append(resum(messageV3), 1), noon.Unix(), uint8(0)) // part of a trailer
	f.Add(withSum(messageV3, 0), int64(-1<<63), uint8(0))     // a clock at the end of the world
	f.Fuzz(func(t *testing.T, payload []byte, clock int64, mode uint8) {
		a, err := vrrp.NewAuthenticator(vrrp.Auth{Mode: vrrp.AuthMode(mode % 3), Window: 5 * time.Second}, []vrrp.Key{key(1)})
		if err != nil {
			t.Fatal(err)
		}
		p, at := packetOf(payload), time.Unix(clock, 0)
		adv, skew, err := a.Parse(p, at)
		if err != nil {
			if _, ok := errors.AsType[*vrrp.DiscardError](err); !ok {
				t.Fatalf("Parse: %v is not a DiscardError", err)
			}
			return
		}
		plain := 8 + 4*len(adv.Addrs)
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
