package lan

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
	"ngha/vrrp"
)

const (
	vip6   = "2001:db8::100/128"
	group6 = "ff02::12"
)

// newPair6 is two hosts that speak IPv6, with a port each.
func newPair6(t *testing.T, change func(*Spec)) pair {
	t.Helper()
	lab := testenv.New(t)
	p := pair{lab: lab, lan: lab.Bridge("lan"), hostA: lab.Host("a"), hostB: lab.Host("b")}
	p.lan.Attach(p.hostA, "2001:db8::1/64")
	p.lan.Attach(p.hostB, "2001:db8::2/64")
	s := spec(vip6)
	change(&s)
	p.watchA, p.watchB = watch(t, p.hostA, s), watch(t, p.hostB, s)
	p.a, p.b = p.watchA.port(), p.watchB.port()
	return p
}

func byMulticast(*Spec)    {}
func byUnicast(s *Spec)    { s.Multicast = false }
func betweenLinks(s *Spec) { s.Multicast, s.LinkLocal = false, true }

func TestPacketsTravelOverIPv6(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Spec)
		dst    func(p pair) string
		src    string // of a; "": its link-local address
	}{
		"multicast (RFC 9568 section 5.1.2)": {byMulticast, func(pair) string { return group6 }, ""},
		"unicast":                            {byUnicast, func(pair) string { return "2001:db8::2" }, "2001:db8::1"},
		"unicast, link-local":                {betweenLinks, func(p pair) string { return p.b.Source().String() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair6(t, tt.change)
			if tt.src == "" {
				if tt.src = p.a.Source().String(); !p.a.Source().IsLinkLocalUnicast() {
					t.Fatalf("source %s, want a link-local one", tt.src)
				}
			}
			packets := hear(t, p.b)
			capture := p.lan.Capture()
			write(t, p.a, tt.dst(p), 0x31, 7, 200, 1)
			want := vrrp.Packet{
				Src: netip.MustParseAddr(tt.src), Dst: netip.MustParseAddr(tt.dst(p)),
				TTL: 255, Payload: []byte{0x31, 7, 200, 1},
			}
			if diff := cmp.Diff(want, next(t, packets), comparePackets); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
			f := capture.Await("the packet", limit, func(f testenv.Frame) bool { return f.IP != nil && f.IP.Protocol == vrrp.Protocol })
			if f.IP.TOS != tos {
				t.Errorf("traffic class %#x, want %#x", f.IP.TOS, tos)
			}
		})
	}
}

// TestHopLimitIsWhatCame: it is told in a way of its own, since the header is
// not read.
func TestHopLimitIsWhatCame(t *testing.T) {
	p := newPair6(t, byMulticast)
	packets := hear(t, p.b)
	b := append(ip6Header(p.a.Source(), vrrp.GroupIPv6, tos, vrrp.Protocol, 2), 0x31, 7)
	b[7] = 64
	w, ok := p.a.segment.wire.(*wire6)
	if !ok {
		t.Fatalf("the wire is a %T", p.a.segment.wire)
	}
	if err := send(w.out, b, toIPv6(vrrp.GroupIPv6, uint32(p.a.index))); err != nil {
		t.Fatal(err)
	}
	if got := next(t, packets).TTL; got != 64 {
		t.Errorf("hop limit %d, want 64", got)
	}
}

func TestIPv6PacketsForOthersAreNotDelivered(t *testing.T) {
	p := newPair6(t, byMulticast)
	packets, own := hear(t, p.b), hear(t, p.a)
	write(t, p.a, group6, 0x31, 8) // another virtual router's
	write(t, p.a, group6, 0x31)    // nobody's
	write(t, p.a, group6, 0x31, 7, 1)
	if diff := cmp.Diff([]byte{0x31, 7, 1}, next(t, packets).Payload); diff != "" {
		t.Errorf("first packet heard (-want +got):\n%s", diff)
	}
	write(t, p.b, group6, 0x31, 7, 2)
	if got := next(t, own); got.Payload[2] != 2 {
		t.Errorf("heard own packet from %s", got.Src)
	}
}

func TestIPv6PacketsThatDoNotLeaveAreErrors(t *testing.T) {
	drop := func(p pair) error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv6, Name: "t"})
		chain := c.AddChain(&nftables.Chain{
			Table: table, Name: "out", Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
		return c.Flush()
	}
	full := func(p pair) error {
		return netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.a.index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       1000, Buffer: 160_000, Limit: 10, // bytes a second, ticks of 64 ns, bytes
		})
	}
	for name, tt := range map[string]struct {
		hinder func(pair) error
		length int
		want   error
	}{
		"a firewall drops them":        {drop, 8, unix.EPERM},
		"the queue is full":            {full, 8, unix.ENOBUFS},
		"they are longer than a frame": {func(pair) error { return nil }, 1461, unix.EMSGSIZE},
		"they are as long as a frame":  {func(pair) error { return nil }, 1460, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair6(t, byMulticast)
			must(t, p.hostA, func() error { return tt.hinder(p) })
			err := p.a.WritePacket(vrrp.Packet{Dst: vrrp.GroupIPv6, Payload: make([]byte, tt.length)})
			if !errors.Is(err, tt.want) {
				t.Errorf("WritePacket: %v, want %v", err, tt.want)
			}
		})
	}
}

// TestNeighborAdvertisementOnTheWire has the flags of RFC 9568 section 6.4.2; of
// Router what the kernel says in its own answers.
func TestNeighborAdvertisementOnTheWire(t *testing.T) {
	for _, forwarding := range []string{"0", "1"} {
		p := newPair6(t, byMulticast)
		capture := p.lan.Capture()
		setSysctl(t, p.hostA, "net/ipv6/conf/eth0/forwarding", forwarding)
		acquire(t, p.a)
		if err := p.a.Announce(); err != nil {
			t.Fatal(err)
		}
		f := capture.Await("an announcement", limit, testenv.Announces(vip6))
		mac := p.hostA.Links()[0].MAC()
		want := testenv.Neighbor{IP: netip.MustParseAddr("2001:db8::100"), MAC: mac, Router: forwarding == "1", Override: true}
		if diff := cmp.Diff(want, *f.Neighbor, comparePackets); diff != "" {
			t.Errorf("forwarding %s (-want +got):\n%s", forwarding, diff)
		}
		if f.IP.TTL != 255 || f.IP.Dst.String() != "ff02::1" || f.IP.Src != want.IP || f.Src.String() != mac.String() || f.Dst.String() != "33:33:00:00:00:01" {
			t.Errorf("it went from %s, %s to %s, %s with hop limit %d", f.Src, f.IP.Src, f.Dst, f.IP.Dst, f.IP.TTL)
		}
		// The kernel's own answer to the one who asks says the same.
		resolved6(t, p.lab, p.hostB, mac)
		answer := capture.Await("the kernel's answer", limit, func(f testenv.Frame) bool {
			return f.Neighbor != nil && f.Neighbor.Solicited && f.Neighbor.IP == want.IP
		})
		if answer.Neighbor.Router != want.Router {
			t.Errorf("forwarding %s: the kernel says router %v, and the announcement %v", forwarding, answer.Neighbor.Router, want.Router)
		}
	}
}

func setSysctl(t *testing.T, h *testenv.Host, name, value string) {
	t.Helper()
	must(t, h, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
}

// resolved6 is resolved over IPv6.
func resolved6(t *testing.T, lab *testenv.Lab, h *testenv.Host, want net.HardwareAddr) {
	t.Helper()
	must(t, h, func() error {
		c, err := net.Dial("udp6", "[2001:db8::100]:9")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("x"))
		return err
	})
	at6(t, lab, h, want)
}

func at6(t *testing.T, lab *testenv.Lab, h *testenv.Host, want net.HardwareAddr) {
	t.Helper()
	lab.Await("the client to know where the address is", limit, func() error {
		if got := h.Neighbor("2001:db8::100"); got.String() != want.String() {
			return errFound(lab.Owner(got))
		}
		return nil
	})
}

func TestNeighborAdvertisementMovesTheEntryOfAClient(t *testing.T) {
	p := newPair6(t, byMulticast)
	client := p.lab.Host("client")
	p.lan.Attach(client, "2001:db8::9/64")
	acquire(t, p.a)
	resolved6(t, p.lab, client, p.hostA.Links()[0].MAC())

	if err := p.a.Release(); err != nil {
		t.Fatal(err)
	}
	acquire(t, p.b)
	if err := p.b.Announce(); err != nil {
		t.Fatal(err)
	}
	at6(t, p.lab, client, p.hostB.Links()[0].MAC())
}

// What keepalived 2.2.7 put on a wire, from 02:00:00:00:00:01, where IPv6 is not
// forwarded.
func TestNeighborAdvertisementIsKeepaliveds(t *testing.T) {
	const at = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00"
	want := "\x60\x00\x00\x00\x00\x20\x3a\xff" + at + "\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x88\x00\xf7\x2c\x20\x00\x00\x00" + at + "\x02\x01\x02\x00\x00\x00\x00\x01"
	got, err := claim(netip.MustParseAddr("2001:db8::100"), mac{2, 0, 0, 0, 0, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte(want), got); diff != "" {
		t.Errorf("advertisement (-keepalived +ngha):\n%s", diff)
	}
}
