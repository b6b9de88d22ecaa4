package lan

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/ipv4"

	"ngha/vrrp"
)

// What parseIPv4 takes is what the library takes, too, and it never reads or
// hands on more than there is.
func FuzzParseIPv4(f *testing.F) {
	packet := func(payload string, set func(*ipv4.Header)) []byte {
		h := ipv4.Header{
			Version: ipv4.Version, Len: ipv4.HeaderLen, TotalLen: ipv4.HeaderLen + len(payload), TTL: vrrp.TTL, Protocol: vrrp.Protocol,
			Src: []byte{198, 51, 100, 1}, Dst: []byte{224, 0, 0, 18},
		}
		set(&h)
		b, err := h.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		return append(b, payload...)
	}
	f.Add(packet("\x31\x07\xc8\x01", func(*ipv4.Header) {}))
	f.Add(packet("\x31\x07\xc8\x01 and the padding of Ethernet", func(h *ipv4.Header) { h.TotalLen = 24 }))
	f.Add(packet("\x31\x07\xc8\x01", func(h *ipv4.Header) { h.TotalLen = 1000 })) // cut short
	f.Add(packet("\x31\x07\xc8\x01", func(h *ipv4.Header) { h.TotalLen = 12 }))   // ends in its header
	f.Add(packet("\x31\x07", func(h *ipv4.Header) { h.Options = []byte{1, 1, 1, 0}; h.Len += 4; h.TotalLen += 4 }))
	f.Add([]byte{0x4f, 0, 0, 60, 19: 0}) // a header longer than the packet
	f.Add([]byte{0x41, 0, 0, 20, 19: 0}) // and one shorter than any
	f.Add([]byte{0x45})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseIPv4(b)
		if !ok {
			return
		}
		h, err := ipv4.ParseHeader(b)
		if err != nil {
			t.Fatalf("taken, which the library refuses: %v", err)
		}
		src, _ := netip.AddrFromSlice(h.Src.To4())
		dst, _ := netip.AddrFromSlice(h.Dst.To4())
		want := vrrp.Packet{Src: src, Dst: dst, TTL: uint8(h.TTL), Payload: b[h.Len:min(h.TotalLen, len(b))]}
		if p.Src != want.Src || p.Dst != want.Dst || p.TTL != want.TTL || !bytes.Equal(p.Payload, want.Payload) {
			t.Errorf("%+v, want %+v", p, want)
		}
	})
}

// A host on the LAN must not be able to do harm by an ARP packet.
func FuzzAnswers(f *testing.F) {
	addr := netip.MustParseAddr("198.51.100.1")
	reply := []byte{0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1, 198, 51, 100, 1, 2, 0, 0, 0, 0, 9, 198, 51, 100, 9}
	f.Add(reply)
	f.Add(reply[:27])
	f.Add(append(bytes.Clone(reply), 0, 0))
	f.Add([]byte{0, 1, 8, 0, 255, 255, 0, 2, 27: 0}) // longer addresses than there is room for
	f.Fuzz(func(t *testing.T, b []byte) {
		if answers(b, addr) && (len(b) < arpLen || !bytes.Contains(b, addr.AsSlice())) {
			t.Errorf("% x is taken for an answer from %s", b, addr)
		}
	})
}
