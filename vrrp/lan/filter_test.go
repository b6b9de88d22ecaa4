package lan

import (
	"testing"

	"golang.org/x/net/bpf"
)

// passes runs a filter as the kernel does.
func passes(t *testing.T, set vrids, header bool, packet []byte) bool {
	t.Helper()
	vm, err := bpf.NewVM(admitting(set, header))
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestFilterAdmitsExactlyItsVirtualRouters(t *testing.T) {
	var some, all vrids
	member := map[uint8]bool{1: true, 31: true, 32: true, 51: true, 128: true, 255: true}
	for vrid := range 256 {
		if member[uint8(vrid)] {
			some.add(uint8(vrid))
		}
		all.add(uint8(vrid))
	}
	plain := append([]byte{0x45, 19: 0}, 0x31, 0)
	options := append([]byte{0x46, 23: 0}, 0x31, 0)
	for vrid := range 256 {
		for _, p := range []struct {
			header bool
			packet []byte
		}{{ipHeader, plain}, {ipHeader, options}, {noIPHeader, []byte{0x31, 0}}} {
			p.packet[len(p.packet)-1] = byte(vrid)
			if got, want := passes(t, some, p.header, p.packet), member[uint8(vrid)]; got != want {
				t.Errorf("VRID %d in %x: passes %v, want %v", vrid, p.packet, got, want)
			}
			if !passes(t, all, p.header, p.packet) {
				t.Errorf("VRID %d in %x: a full set does not admit it", vrid, p.packet)
			}
			if passes(t, vrids{}, p.header, p.packet) {
				t.Errorf("VRID %d in %x: an empty set admits it", vrid, p.packet)
			}
		}
	}
}

func TestFilterDropsWhatIsTooShortToNameAVirtualRouter(t *testing.T) {
	var all vrids
	for vrid := range 256 {
		all.add(uint8(vrid))
	}
	for n := range 21 {
		if packet := []byte{0x45, 24: 0}[:n+1]; passes(t, all, ipHeader, packet) {
			t.Errorf("a packet of %d bytes passes", len(packet))
		}
	}
	for n := range 2 {
		if passes(t, all, noIPHeader, make([]byte, n)) {
			t.Errorf("an IPv6 payload of %d bytes passes", n)
		}
	}
}
