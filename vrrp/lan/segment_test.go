package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/testenv"
	"ngha/vrrp"
)

// fakeWire is a wire whose packets come from a test.
type fakeWire struct {
	packets chan vrrp.Packet
	closed  chan struct{}
	calls   []string
	fail    error // of the next admit
}

func newFakeWire() *fakeWire {
	return &fakeWire{packets: make(chan vrrp.Packet), closed: make(chan struct{})}
}

func (w *fakeWire) read(_ func() time.Duration, deliver func(vrrp.Packet)) error {
	for {
		select {
		case p := <-w.packets:
			deliver(p)
		case <-w.closed:
			return net.ErrClosed
		}
	}
}

func (w *fakeWire) drain(func(vrrp.Packet)) error { return nil }

func (w *fakeWire) write(netip.Addr, vrrp.Packet) error { return nil }

func (w *fakeWire) admit(set vrids) error {
	var list []int
	for vrid := range 256 {
		if set[vrid>>5]&(1<<(vrid&31)) != 0 {
			list = append(list, vrid)
		}
	}
	w.calls = append(w.calls, fmt.Sprint(list))
	err := w.fail
	w.fail = nil
	return err
}

func (w *fakeWire) join() error {
	w.calls = append(w.calls, "join")
	return nil
}

func (w *fakeWire) leave() error {
	w.calls = append(w.calls, "leave")
	return nil
}

func (w *fakeWire) close() error {
	close(w.closed)
	return nil
}

func newFakeSegment(t *testing.T) (*segment, *fakeWire) {
	w := newFakeWire()
	s := newSegment(w, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, w
}

func joined(t *testing.T, s *segment, vrid uint8, multicast bool) *member {
	t.Helper()
	m, err := s.join(vrid, multicast, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func left(t *testing.T, s *segment, members ...*member) {
	t.Helper()
	for _, m := range members {
		if err := s.leave(m); err != nil {
			t.Fatal(err)
		}
	}
}

func payload(vrid, n byte) vrrp.Packet { return vrrp.Packet{Payload: []byte{0x31, vrid, n}} }

func TestKernelIsToldWhoseArePackets(t *testing.T) {
	s, w := newFakeSegment(t)
	a := joined(t, s, 7, false)
	b := joined(t, s, 8, true)
	c := joined(t, s, 8, true) // as when its place has changed
	left(t, s, b)
	left(t, s, c)
	d := joined(t, s, 255, true)
	left(t, s, a, d)
	want := []string{"[7]", "join", "[7 8]", "[7 8]", "[7 8]", "leave", "[7]", "join", "[7 255]", "[255]", "leave", "[]"}
	if diff := cmp.Diff(want, w.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWhoCannotBeAdmittedHasNotJoined(t *testing.T) {
	s, w := newFakeSegment(t)
	w.fail = errors.New("no memory")
	if _, err := s.join(7, true, time.Second); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff([]string{"join", "[7]", "leave"}, w.calls); diff != "" || len(s.members) > 0 {
		t.Errorf("%d members, calls (-want +got):\n%s", len(s.members), diff)
	}
}

func TestPacketsWaitForEachOtherByTheShortestInterval(t *testing.T) {
	s, _ := newFakeSegment(t)
	slow := joined(t, s, 7, true)
	if got := s.pause(); got != maxGather {
		t.Errorf("at 1 s they wait for %v, want %v", got, maxGather)
	}
	quick, err := s.join(8, true, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.pause(); got != 200*time.Microsecond {
		t.Errorf("at 1 s and 10 ms they wait for %v, want 200µs", got)
	}
	left(t, s, quick)
	if got := s.pause(); got != maxGather {
		t.Errorf("at 1 s again they wait for %v, want %v", got, maxGather)
	}
	left(t, s, slow)
}

func TestPacketsAreDealtOutByVRID(t *testing.T) {
	s, w := newFakeSegment(t)
	members := []*member{joined(t, s, 7, true), joined(t, s, 8, true), joined(t, s, 8, true)}
	for i := range byte(9) {
		w.packets <- payload(6+i%3, i) // 6 is nobody's
	}
	for i, want := range [][]byte{{1, 4, 7}, {2, 5, 8}, {2, 5, 8}} {
		var got []byte
		for range want {
			got = append(got, next(t, members[i].packets).Payload[2])
		}
		if !slices.Equal(got, want) || len(members[i].packets) > 0 {
			t.Errorf("member %d of VRID %d heard %d and more %d times, want %d", i, members[i].vrid, got, len(members[i].packets), want)
		}
	}
	left(t, s, members...)
}

// TestSlowMemberHoldsUpNobody floods one virtual router, which does not read.
func TestSlowMemberHoldsUpNobody(t *testing.T) {
	s, w := newFakeSegment(t)
	slow, quick := joined(t, s, 7, true), joined(t, s, 8, true)
	for i := range 10 * backlog {
		w.packets <- payload(7, byte(i))
		w.packets <- payload(8, byte(i))
		if got := next(t, quick.packets).Payload[2]; got != byte(i) {
			t.Fatalf("heard packet %d, want %d", got, i)
		}
	}
	if got := slow.lost.Load(); got != 9*backlog || quick.lost.Load() != 0 {
		t.Errorf("lost %d and %d packets, want %d and none", got, quick.lost.Load(), 9*backlog)
	}
	left(t, s, slow, quick)
}

// TestPayloadsBelongToTheirReceivers: the wire uses its buffer again.
func TestPayloadsBelongToTheirReceivers(t *testing.T) {
	s, w := newFakeSegment(t)
	a, b := joined(t, s, 7, true), joined(t, s, 7, true)
	p := payload(7, 1)
	w.packets <- p
	one, other := next(t, a.packets), next(t, b.packets)
	p.Payload[2], one.Payload[2] = 2, 3
	if other.Payload[2] != 1 {
		t.Errorf("the payload became %d", other.Payload[2])
	}
	left(t, s, a, b)
}

// sockets counts the raw and packet sockets of h's namespace, by kind.
func sockets(t *testing.T, h *testenv.Host) map[string]int {
	t.Helper()
	count := make(map[string]int)
	must(t, h, func() error {
		for _, kind := range []string{"raw", "packet"} {
			b, err := os.ReadFile(filepath.Join("/proc/thread-self/net", kind))
			if err != nil {
				return err
			}
			count[kind] = strings.Count(string(b), "\n") - 1 // its head
		}
		return nil
	})
	return count
}

// TestVirtualRoutersOnOneInterfaceShareSockets: one in each direction and one
// for ARP, until the last has gone; every one hears its own.
func TestVirtualRoutersOnOneInterfaceShareSockets(t *testing.T) {
	const many = 100
	p := newPair(t)
	quiet := sockets(t, p.hostA)
	var all []*Port
	ports := map[uint8]*Port{7: p.a}
	for vrid := uint8(8); vrid < 7+many; vrid++ {
		s := spec(fmt.Sprintf("198.51.100.%d/32", 100+vrid))
		s.VRID = vrid
		w := newWatched(t, p.watchA.network, s, func(event) {})
		ports[vrid] = w.port()
		all = append(all, ports[vrid])
	}
	if diff := cmp.Diff(quiet, sockets(t, p.hostA)); diff != "" {
		t.Errorf("sockets for %d virtual routers (-one +all):\n%s", many, diff)
	}
	for vrid, port := range ports {
		write(t, p.b, group, 0x31, vrid, vrid)
		if got := next(t, port.Packets()); got.Payload[2] != vrid {
			t.Errorf("VRID %d heard %v", vrid, got)
		}
		if n := len(port.Packets()); n > 0 {
			t.Errorf("VRID %d heard %d packets too many", vrid, n)
		}
	}
	for _, port := range append(all, p.a) {
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"raw": 0, "packet": 0}, sockets(t, p.hostA)); diff != "" {
		t.Errorf("sockets in the end (-want +got):\n%s", diff)
	}
}

// TestMembershipOfTheGroupLastsForTheInterface: as long as one wants it.
func TestMembershipOfTheGroupLastsForTheInterface(t *testing.T) {
	_, h := solo(t)
	first := spec(vip)
	second := spec("198.51.100.101/32")
	second.VRID = 8
	first.Multicast = false
	w := watch(t, h, first)
	one := w.port()
	member := func() bool {
		found := false
		must(t, h, func() error {
			b, err := os.ReadFile("/proc/thread-self/net/igmp")
			found = strings.Contains(string(b), "120000E0")
			return err
		})
		return found
	}
	if member() {
		t.Error("a virtual router with peers has joined the group")
	}
	two := newWatched(t, w.network, second, func(event) {}).port()
	if !member() {
		t.Error("one that multicasts has not joined the group")
	}
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	if member() {
		t.Error("it has left, and is a member yet")
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
}
