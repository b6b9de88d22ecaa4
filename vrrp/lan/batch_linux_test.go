package lan

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ngha/vrrp"
)

// TestCrowdIsReadInOrder sends packets of all lengths before the first of them is
// read, over each family, by the reader or by who drains the wire beside it.
func TestCrowdIsReadInOrder(t *testing.T) {
	const many = 5*company + 3
	p := newPair(t)
	openIPv4 := func(index int) (wire, error) { return openWire4(index) }
	openIPv6 := func(index int) (wire, error) { return openWire6(index) }
	linkLocal := netip.MustParseAddr("fe80::1:2")
	for _, c := range []struct {
		name     string
		open     func(index int) (wire, error)
		src, dst netip.Addr
		drained  bool
	}{
		{"IPv4", openIPv4, p.a.Source(), vrrp.GroupIPv4, false},
		{"IPv4, drained", openIPv4, p.a.Source(), vrrp.GroupIPv4, true},
		{"IPv6", openIPv6, linkLocal, vrrp.GroupIPv6, false},
		{"IPv6, drained", openIPv6, linkLocal, vrrp.GroupIPv6, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			open := func(at *Port) (w wire) {
				h := p.hostA
				if at == p.b {
					h = p.hostB
				}
				must(t, h, func() (err error) {
					w, err = c.open(at.index)
					return err
				})
				t.Cleanup(func() { w.close() })
				return w
			}
			from, to := open(p.a), open(p.b)
			if err := errors.Join(to.admit(vrids{1 << 7}), to.join()); err != nil {
				t.Fatal(err)
			}
			sent := func(i int) []byte { return slices.Concat([]byte{0x31, 7, byte(i)}, make([]byte, i*17)) }
			for i := range many { // they wait in the socket
				if err := from.write(c.src, vrrp.Packet{Dst: c.dst, Payload: sent(i)}); err != nil {
					t.Fatal(err)
				}
			}
			packets, done := make(chan vrrp.Packet, 2*many), make(chan error)
			deliver := func(p vrrp.Packet) {
				p.Payload = slices.Clone(p.Payload)
				packets <- p
			}
			if c.drained {
				if err := to.drain(deliver); err != nil {
					t.Fatal(err)
				}
				if len(packets) < many {
					t.Fatalf("%d of %d packets", len(packets), many)
				}
			}
			go func() { done <- to.read(func() time.Duration { return maxGather }, deliver) }()
			for i := range many {
				got := next(t, packets)
				if !slices.Equal(got.Payload, sent(i)) || got.Src != c.src || got.Dst != c.dst || got.TTL != vrrp.TTL {
					t.Fatalf("packet %d from %v to %v with TTL %d is %d bytes of number %d", i, got.Src, got.Dst, got.TTL, len(got.Payload), got.Payload[2])
				}
			}
			if err := to.close(); err != nil {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
		})
	}
}
