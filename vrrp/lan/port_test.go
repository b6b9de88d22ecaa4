package lan

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"ngha/testenv"
	"ngha/vrrp"
)

const group = "224.0.0.18"

// pair is two hosts on one LAN with a port each.
type pair struct {
	lab            *testenv.Lab
	lan            *testenv.Bridge
	hostA, hostB   *testenv.Host
	a, b           *Port
	watchA, watchB *watched
}

func newPair(t *testing.T) pair {
	t.Helper()
	lab := testenv.New(t)
	p := pair{lab: lab, lan: lab.Bridge("lan"), hostA: lab.Host("a"), hostB: lab.Host("b")}
	p.lan.Attach(p.hostA, "198.51.100.1/24")
	p.lan.Attach(p.hostB, "198.51.100.2/24")
	p.watchA, p.watchB = watch(t, p.hostA, spec(vip)), watch(t, p.hostB, spec(vip))
	p.a, p.b = p.watchA.port(), p.watchB.port()
	return p
}

var comparePackets = cmpopts.EquateComparable(netip.Addr{})

func TestPacketsArriveByMulticastAndByUnicast(t *testing.T) {
	p := newPair(t)
	packets := hear(t, p.b)
	for _, dst := range []string{group, "198.51.100.2"} {
		write(t, p.a, dst, 0x31, 7, 200, 1)
		want := vrrp.Packet{
			Src:     netip.MustParseAddr("198.51.100.1"),
			Dst:     netip.MustParseAddr(dst),
			TTL:     255,
			Payload: []byte{0x31, 7, 200, 1},
		}
		if diff := cmp.Diff(want, next(t, packets), comparePackets); diff != "" {
			t.Errorf("packet to %s (-want +got):\n%s", dst, diff)
		}
	}
}

// TestPacketsCarryInternetworkControl reads the header at the other end.
func TestPacketsCarryInternetworkControl(t *testing.T) {
	p := newPair(t)
	var w *wire4
	must(t, p.hostB, func() (err error) {
		w, err = openWire4(p.b.index)
		return err
	})
	if err := errors.Join(w.admit(vrids{1 << 7}), w.join()); err != nil {
		t.Fatal(err)
	}
	heads, done := make(chan []byte, 10), make(chan struct{})
	go func() {
		defer close(done)
		if err := w.in.receive(func() time.Duration { return maxGather }, func(r received) { heads <- slices.Clone(r.packet) }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
	}()
	defer func() {
		w.close()
		<-done
	}()
	for _, dst := range []string{group, "198.51.100.2"} {
		write(t, p.a, dst, 0x31, 7)
		if b := next(t, heads); b[1] != 0xc0 || b[8] != 255 {
			t.Errorf("packet to %s has TOS %#x and TTL %d, want 0xc0 and 255", dst, b[1], b[8])
		}
	}
}

func TestOwnPacketsDoNotComeBack(t *testing.T) {
	p := newPair(t)
	packets := hear(t, p.a)
	heardB := hear(t, p.b)
	write(t, p.a, group, 0x31, 7, 1)
	next(t, heardB) // so it is through
	write(t, p.b, group, 0x31, 7, 2)
	if got := next(t, packets); got.Payload[2] != 2 {
		t.Errorf("heard own packet from %s", got.Src)
	}
}

func TestPacketsForOthersAreNotDelivered(t *testing.T) {
	p := newPair(t)
	packets := hear(t, p.b)
	write(t, p.a, group, 0x31, 8) // another virtual router's
	write(t, p.a, "198.51.100.2", 0x31, 8)
	write(t, p.a, group, 0x31) // nobody's
	write(t, p.a, group, 0x31, 7)
	if diff := cmp.Diff([]byte{0x31, 7}, next(t, packets).Payload); diff != "" {
		t.Errorf("first packet heard (-want +got):\n%s", diff)
	}
}

// TestPacketsOfAnotherInterfaceAreNotDelivered has two interfaces on each
// host, with the same VRID on both.
func TestPacketsOfAnotherInterfaceAreNotDelivered(t *testing.T) {
	p := newPair(t)
	second := p.lab.Bridge("second")
	second.Attach(p.hostA, "203.0.113.1/24")
	second.Attach(p.hostB, "203.0.113.2/24")
	other := spec("203.0.113.100/32")
	a2, b2 := watch(t, p.hostA, other).port(), watch(t, p.hostB, other).port()
	on1, on2 := hear(t, p.b), hear(t, b2)

	write(t, a2, group, 0x31, 7, 2)
	if got := next(t, on2); got.Payload[2] != 2 {
		t.Fatalf("heard %v on the second interface", got)
	}
	write(t, p.a, group, 0x31, 7, 1)
	if got := next(t, on1); got.Payload[2] != 1 {
		t.Errorf("heard %v on the first interface, which came in on the second", got)
	}
}

func TestPayloadEndsWhereTheHeaderSays(t *testing.T) {
	head := ipv4.Header{
		Version: 4, Len: 24, TotalLen: 27, TTL: 64, Options: make([]byte, 4),
		Src: net.IPv4(198, 51, 100, 1), Dst: net.IPv4(224, 0, 0, 18),
	}
	b, err := head.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parseIPv4(append(b, 1, 2, 3, 0, 0, 0))
	want := vrrp.Packet{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: vrrp.GroupIPv4,
		TTL: 64, Payload: []byte{1, 2, 3},
	}
	if diff := cmp.Diff(want, got, comparePackets); !ok || diff != "" {
		t.Errorf("packet (-want +got), ok %v:\n%s", ok, diff)
	}
}

// TestHeadersThatAreNoneAreRefused: the kernel has looked at them before, but
// whoever is on the LAN may try.
func TestHeadersThatAreNoneAreRefused(t *testing.T) {
	good := append([]byte{0x45, 0, 0, 24, 19: 0}, 0x31, 7, 200, 1)
	if _, ok := parseIPv4(good); !ok {
		t.Fatal("a good packet is refused")
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty":                     func(b []byte) []byte { return nil },
		"shorter than a header":     func(b []byte) []byte { return b[:19] },
		"header shorter than fixed": func(b []byte) []byte { b[0] = 0x44; return b },
		"header beyond the end":     func(b []byte) []byte { b[0] = 0x4f; return b },
		"length within the header":  func(b []byte) []byte { b[3] = 19; return b },
	} {
		if p, ok := parseIPv4(change(slices.Clone(good))); ok {
			t.Errorf("%s: taken for %+v", name, p)
		}
	}
}

func TestNothingWorksAfterClose(t *testing.T) {
	p := newPair(t)
	packets := hear(t, p.b)
	write(t, p.a, group, 0x31, 7)
	next(t, packets)
	if err := p.b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.b.WritePacket(vrrp.Packet{Dst: vrrp.GroupIPv4}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WritePacket after Close: %v, want net.ErrClosed", err)
	}
	if err := p.b.Acquire(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Acquire after Close: %v, want net.ErrClosed", err)
	}
	if err := p.b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestWritePacketFailsOnAnInterfaceThatIsDown(t *testing.T) {
	p := newPair(t)
	p.hostA.Links()[0].Down()
	err := p.a.WritePacket(vrrp.Packet{Dst: vrrp.GroupIPv4, Payload: []byte{0x31, 7}})
	if err == nil {
		t.Error("no error")
	}
}

// TestWritePacketFailsWithoutCarrier: the kernel would keep a packet until it has
// found its receiver, and send it when the carrier is back.
func TestWritePacketFailsWithoutCarrier(t *testing.T) {
	p := newPair(t)
	p.hostA.Links()[0].PortDown()
	p.watchA.first("no carrier")
	for _, dst := range []netip.Addr{vrrp.GroupIPv4, netip.MustParseAddr("198.51.100.2")} {
		err := p.a.WritePacket(vrrp.Packet{Dst: dst, Payload: []byte{0x31, 7}})
		if !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("WritePacket to %s: %v, want %v", dst, err, unix.ENETDOWN)
		}
	}
}

// TestWritePacketTellsThatAFirewallDrops: who cannot speak must know it.
func TestWritePacketTellsThatAFirewallDrops(t *testing.T) {
	p := newPair(t)
	must(t, p.hostA, func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "t"})
		chain := c.AddChain(&nftables.Chain{
			Table: table, Name: "out", Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
		return c.Flush()
	})
	for _, dst := range []netip.Addr{vrrp.GroupIPv4, netip.MustParseAddr("198.51.100.2")} {
		err := p.a.WritePacket(vrrp.Packet{Dst: dst, Payload: []byte{0x31, 7}})
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("WritePacket to %s: %v, want %v", dst, err, unix.EPERM)
		}
	}
}

// TestWritePacketTellsThatTheQueueIsFull: the queue of the interface has no
// room for a single packet.
func TestWritePacketTellsThatTheQueueIsFull(t *testing.T) {
	p := newPair(t)
	must(t, p.hostA, func() error {
		return netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.a.index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       1000, Buffer: 160_000, Limit: 10, // bytes a second, ticks of 64 ns, bytes
		})
	})
	err := p.a.WritePacket(vrrp.Packet{Dst: vrrp.GroupIPv4, Payload: []byte{0x31, 7}})
	if !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("WritePacket: %v, want %v", err, unix.ENOBUFS)
	}
}
