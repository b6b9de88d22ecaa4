package vrrptest_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ngha/vrrp"
	"ngha/vrrp/vrrptest"
)

var (
	addrA   = netip.MustParseAddr("198.51.100.1")
	addrB   = netip.MustParseAddr("198.51.100.2")
	addrC   = netip.MustParseAddr("198.51.100.3")
	cmpAddr = cmpopts.EquateComparable(netip.Addr{})
)

func packet(src, dst netip.Addr, payload string) vrrp.Packet {
	return vrrp.Packet{Src: src, Dst: dst, TTL: vrrp.TTL, Payload: []byte(payload)}
}

func TestLANDeliversToTheDestinationOnly(t *testing.T) {
	lan := vrrptest.NewLAN()
	a, b, c := lan.Port(addrA), lan.Port(addrB), lan.Port(addrC)

	group, unicast := packet(addrA, vrrp.GroupIPv4, "to all"), packet(addrA, addrC, "to c")
	for _, p := range []vrrp.Packet{group, unicast} {
		if err := a.WritePacket(p); err != nil {
			t.Fatal(err)
		}
	}
	lan.Cut(addrA, addrB)
	if err := a.WritePacket(packet(addrA, addrB, "cut")); err != nil {
		t.Fatal(err)
	}
	lan.Heal(addrA, addrB)
	last := packet(addrA, addrB, "healed")
	if err := a.WritePacket(last); err != nil {
		t.Fatal(err)
	}

	want := map[*vrrptest.Port][]vrrp.Packet{b: {group, last}, c: {group, unicast}}
	for port, packets := range want {
		for _, w := range packets {
			if len(port.Packets()) == 0 {
				t.Fatalf("nothing more at %s, want %v", port.Source(), w)
			}
			if diff := cmp.Diff(w, <-port.Packets(), cmpAddr); diff != "" {
				t.Errorf("read at %s (-want +got):\n%s", port.Source(), diff)
			}
		}
	}
}

func TestLANClosedPortIsNotThere(t *testing.T) {
	lan := vrrptest.NewLAN()
	a, b := lan.Port(addrA), lan.Port(addrB)
	if err := b.Close(); err != nil || !b.Closed() || a.Closed() {
		t.Fatalf("Close: %v; closed are a %v, b %v", err, a.Closed(), b.Closed())
	}
	if err := a.WritePacket(packet(addrA, addrB, "x")); err != nil {
		t.Fatal(err)
	}
	if n := len(b.Packets()); n > 0 {
		t.Errorf("%d packets came after Close", n)
	}
	if err := b.WritePacket(packet(addrB, addrA, "x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WritePacket after Close: %v, want net.ErrClosed", err)
	}
}

func TestLANCountsWhatItLoses(t *testing.T) {
	lan := vrrptest.NewLAN()
	a, b := lan.Port(addrA), lan.Port(addrB)
	const many = 1000
	for range many {
		if err := a.WritePacket(packet(addrA, addrB, "x")); err != nil {
			t.Fatal(err)
		}
	}
	if got := uint64(len(b.Packets())) + b.Lost(); b.Lost() == 0 || got != many {
		t.Errorf("%d packets wait and %d were lost, want %d together and both some", len(b.Packets()), b.Lost(), many)
	}
}

func TestLANFailsAsToldAndKnowsItsHolders(t *testing.T) {
	lan := vrrptest.NewLAN()
	a := lan.Port(addrA)
	boom := errors.New("boom")

	a.FailAcquires(1, boom)
	if err := a.Acquire(); !errors.Is(err, boom) {
		t.Errorf("first Acquire: %v, want %v", err, boom)
	}
	if got := lan.Holders(); len(got) != 0 {
		t.Errorf("holders after a failed Acquire: %v", got)
	}
	if err := a.Acquire(); err != nil {
		t.Errorf("second Acquire: %v", err)
	}
	if diff := cmp.Diff([]netip.Addr{addrA}, lan.Holders(), cmpAddr); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	a.FailWrites(-1, boom)
	for range 2 {
		if err := a.WritePacket(packet(addrA, addrB, "x")); !errors.Is(err, boom) {
			t.Errorf("WritePacket: %v, want %v", err, boom)
		}
	}
	if err := a.Release(); err != nil {
		t.Fatal(err)
	}
	if got := lan.Holders(); len(got) != 0 {
		t.Errorf("holders after Release: %v", got)
	}
	var ops []vrrptest.Op
	for _, e := range lan.Trace() {
		ops = append(ops, e.Op)
	}
	if diff := cmp.Diff([]vrrptest.Op{vrrptest.OpAcquire, vrrptest.OpRelease}, ops); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}
