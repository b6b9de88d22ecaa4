package vrrptest_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

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
			got, err := port.ReadPacket()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w, got, cmpAddr); diff != "" {
				t.Errorf("read at %s (-want +got):\n%s", port.Source(), diff)
			}
		}
	}
}

func TestLANReadEndsWhenThePortIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := vrrptest.NewLAN().Port(addrA)
		ended := make(chan error, 1)
		go func() {
			_, err := port.ReadPacket()
			ended <- err
		}()
		synctest.Wait()
		port.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadPacket after Close: %v, want net.ErrClosed", err)
		}
		if err := port.WritePacket(packet(addrA, addrB, "x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WritePacket after Close: %v, want net.ErrClosed", err)
		}
	})
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
