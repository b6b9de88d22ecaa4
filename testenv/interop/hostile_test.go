package interop_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const (
	signedVRID   = 52
	hostileFor   = 12 * time.Second
	hostilePace  = 10 // packets a millisecond
	memoryGrowth = 24 << 10
	signature    = 28 // octets
)

// TestHostileNetwork pours ten thousand packets a second over two nodes, at two
// virtual routers of theirs, of which one is signed and the other has addresses of
// both families: malformed, forged, repeated, foreign, by multicast and unicast,
// with extensions, from senders that are nobody or the nodes themselves, some that
// are no more than of lower priority, and claims of the virtual addresses.
// Nothing moves, the Active speaks in time, and memory stays what it was.
func TestHostileNetwork(t *testing.T) {
	for _, s := range []setting{{version: 3, beside: true}, {version: 3, ipv6: true, beside: true}} {
		t.Run(s.String(), func(t *testing.T) { hostileNetwork(t, s) })
	}
}

func hostileNetwork(t *testing.T, s setting) {
	lab := testenv.New(t)
	lan := lab.Bridge("lan")
	capture := lan.Capture()
	keys := filepath.Join(lab.Dir(), "keys")
	if err := os.WriteFile(keys, []byte("1 hex:"+strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	signedVIP := "198.51.100.101"
	if s.ipv6 {
		signedVIP = "2001:db8::101"
	}
	var nodes [2]*testenv.Node
	var links [2]*testenv.Link
	for i, name := range []string{"a", "b"} {
		h := lab.Host(name)
		links[i] = lan.Attach(h, fmt.Sprintf("198.51.100.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1))
		nodes[i] = lab.StartNode(h, testenv.Node{Env: quickEnd, RealTime: true, Config: fmt.Sprintf(`
virtual_routers:
  - {name: plain, vrid: %[1]d, addresses: ["%[3]s"], priority: %[5]d, interval: %[6]v}
  - {name: signed, vrid: %[2]d, addresses: ["%[7]s"], priority: %[5]d, interval: %[6]v, auth: {keys_file: "%[4]s"}}
`, vrid, signedVRID, strings.Join(s.all(), `", "`), keys, 200-50*i, s.interval(), signedVIP)})
		nodes[i].AwaitHealth("healthy")
		nodes[i].AwaitState([]string{"active", "backup"}[i])
	}
	// What there is to repeat: a's own words.
	began := time.Now()
	for _, id := range []int{vrid, signedVRID} {
		capture.Await("some of a's words", limit, testenv.IsAdvert(id), testenv.From(links[0]), testenv.After(began.Add(3*s.interval())))
	}
	from := lan.Attach(lab.Host("mallory"), "198.51.100.66/24")
	capture.Without(from)
	watcher := lan.Attach(lab.Host("watcher"), "198.51.100.8/24")
	probes := make(map[string]*testenv.ARPProbe)
	for _, a := range s.all() {
		probes[a] = watcher.ProbeARP(a, s.interval()/3)
	}
	stop := pour(t, from, hostilePace, hostile(t, lab, s, from, links, capture.Frames()))

	begun := time.Now()
	sleepUntil(t, lab, begun.Add(hostileFor/3)) // the heap has found its size
	var memory [2]int
	for i, n := range nodes {
		memory[i] = resident(t, n)
	}
	sleepUntil(t, lab, begun.Add(hostileFor))
	for i, n := range nodes {
		if now := resident(t, n); now > memory[i]+memoryGrowth {
			t.Errorf("memory of %s grew from %d to %d KiB under the flood", n.Host(), memory[i], now)
		}
		t.Logf("memory of %s: %d KiB after a third of the flood, %d after all of it", n.Host(), memory[i], resident(t, n))
	}
	ended := time.Now()
	t.Logf("%d packets in %v", stop(), ended.Sub(begun))

	for _, id := range []int{vrid, signedVRID} {
		onTime(t, capture, id, links, begun, ended, s.interval())
	}
	for i, n := range nodes {
		status := n.AwaitState([]string{"active", "backup"}[i])
		for _, v := range status.VirtualRouters {
			if v.Counters.BecameActive != uint64(1-i) || v.Counters.LeftActive != 0 {
				t.Errorf("%s of %s became active %d times and left that %d times", v.Name, n.Host(), v.Counters.BecameActive, v.Counters.LeftActive)
			}
			if len(v.Alarms) > 100 {
				t.Errorf("%s of %s has %d alarms", v.Name, n.Host(), len(v.Alarms))
			}
			t.Logf("%s of %s discarded %v and lost %d", v.Name, n.Host(), v.Counters.Discarded, v.Counters.Lost)
		}
		discardsAll(n, s)
		plain, signed := status.VirtualRouters[0].Counters.Discarded, status.VirtualRouters[1].Counters.Discarded
		if signed["replay"]+signed["stale"] == 0 || signed["unsigned"] == 0 || signed["signature"] == 0 {
			t.Errorf("the signed one of %s discarded %v, want forgeries and repetitions among it", n.Host(), signed)
		}
		// Of IPv4 the kernel drops what comes from the host's own address.
		if s.ipv6 && (plain["own address"] == 0 || plain["source"] == 0) {
			t.Errorf("the plain one of %s discarded %v, want senders among it that cannot be", n.Host(), plain)
		}
		for _, a := range append(s.all(), signedVIP) {
			if holds, err := n.Host().Holds(a); holds != (i == 0) || err != nil {
				t.Errorf("%s holds %s: %v, %v", n.Host(), a, holds, err)
			}
		}
	}

	for a, probe := range probes {
		if owners := probe.Stop().Owners(); !slices.Equal(owners, []string{"a/eth0"}) {
			t.Errorf("%v answered for %s, want a alone", owners, a)
		}
	}

	// Nor has the Backup become deaf.
	nodes[0].Kill()
	nodes[1].AwaitState("active")
}

// hostile returns the frames of a flood, made of what was said before it.
func hostile(t *testing.T, lab *testenv.Lab, s setting, from *testenv.Link, nodes [2]*testenv.Link, said testenv.Frames) func(i int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	rubbish := rubbish(s)
	header := 20
	to := []station{s.group(), s.group()}
	senders := []netip.Addr{s.mallory(), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}
	extensions := [][]byte{nil, nil, {unix.IPPROTO_DSTOPTS}}
	if s.ipv6 {
		header = 40
		senders = []netip.Addr{s.mallory(), netip.IPv6Unspecified(), netip.MustParseAddr("2001:db8::66")}
		extensions = append(extensions, []byte{unix.IPPROTO_HOPOPTS}, []byte{unix.IPPROTO_FRAGMENT}, []byte{unix.IPPROTO_HOPOPTS, unix.IPPROTO_FRAGMENT, unix.IPPROTO_DSTOPTS})
	}
	for i, l := range nodes {
		a := senders[1+i]
		if s.ipv6 {
			a = netip.MustParseAddr(linkLocalOf(t, lab, l.Host()))
			senders = append(senders, a)
		}
		to = append(to, station{a, l.MAC()})
	}
	var claimed []netip.Addr
	for _, a := range s.all() {
		claimed = append(claimed, netip.MustParseAddr(a))
	}
	var old [][]byte // signed messages
	for _, f := range said.Where(testenv.IsAdvert(signedVRID)) {
		old = append(old, f.Data[14+header:])
	}
	a := said.Where(testenv.IsAdvert(signedVRID))[0].IP.Src
	anyone := func() netip.Addr {
		if s.ipv6 {
			return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: 1, 15: byte(r.IntN(256))})
		}
		return netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + r.IntN(240))})
	}
	return func(int) []byte {
		b := rubbish[r.IntN(len(rubbish))]
		b.data = append([]byte(nil), b.data...)
		b.extensions = extensions[r.IntN(len(extensions))]
		id := byte(vrid)
		if r.IntN(2) == 0 {
			id = signedVRID
		}
		src, dst := append(senders, anyone())[r.IntN(len(senders)+1)], to[r.IntN(len(to))]
		switch r.IntN(10) {
		case 0, 1: // malformed
		case 2: // noise
			b.reason = "checksum" // or it might say something one day
			for i := range b.data {
				if i != 1 {
					b.data[i] ^= byte(r.IntN(256))
				}
			}
		case 3: // somebody else's virtual router
			id, b.ttl, b.data = byte(60+r.IntN(100)), 255, advert(s, 255)
		case 4: // a neighbour that is lower
			src, b.reason, b.ttl, b.data = anyone(), "", 255, advert(s, byte(2+r.IntN(90)))
		case 5: // what was said before, by whomever
			id, b.reason, b.ttl, b.trailer, b.data = signedVRID, "", 255, signature, old[r.IntN(len(old))]
			if r.IntN(2) == 0 {
				src = a
			}
		case 6: // a forged signature
			id, b.reason, b.ttl, b.trailer, b.data = signedVRID, "", 255, signature, append([]byte(nil), old[r.IntN(len(old))]...)
			b.data[2] = 254
		case 7: // the highest priority, for the one that believes in signatures
			id, b.reason, b.ttl, b.data = signedVRID, "", 255, advert(s, 255)
		case 8: // the highest priority, in the receiver's own name
			own := to[len(to)-1-r.IntN(len(nodes))]
			src, dst, b.reason, b.ttl, b.data = own.address, own, "", 255, advert(s, 255)
		case 9: // that an address is here, or about to be
			return claim(from.MAC(), claimed[r.IntN(len(claimed))], r.IntN(2) == 0)
		}
		if len(b.data) > 1 {
			b.data[1] = id
		}
		return frame(from.MAC(), src, dst, b)
	}
}

// onTime wants a to have spoken for the virtual router all the time, and b not
// at all. What a answers to lower neighbours comes on top.
func onTime(t *testing.T, capture *testenv.Capture, id int, links [2]*testenv.Link, begun, ended time.Time, interval time.Duration) {
	t.Helper()
	during := func(f testenv.Frame) bool { return f.At.After(begun) && f.At.Before(ended) }
	var before time.Time
	spoke, longest := 0, time.Duration(0)
	for _, f := range capture.Frames().Where(testenv.IsAdvert(id), testenv.From(links[0]), during) {
		if spoke++; spoke > 1 {
			longest = max(longest, f.At.Sub(before))
		}
		before = f.At
	}
	intervals := int(ended.Sub(begun) / interval)
	t.Logf("vrid %d: a spoke %d times in %d intervals, and was silent for %v at the longest", id, spoke, intervals, longest)
	if longest > 3*interval { // what a Backup bears with
		t.Errorf("vrid %d: a was silent for %v, want %v", id, longest, interval)
	}
	if spoke > 2*intervals+2 {
		t.Errorf("vrid %d: a spoke %d times in %d intervals, want twice an interval at most", id, spoke, intervals)
	}
	if said := capture.Frames().Where(testenv.IsAdvert(id), testenv.From(links[1]), during); len(said) > 0 {
		t.Errorf("vrid %d: b spoke: %v", id, said[0])
	}
}

// sleepUntil waits for an instant of the flood.
func sleepUntil(t *testing.T, lab *testenv.Lab, at time.Time) {
	t.Helper()
	lab.Await("the flood to go on", hostileFor+limit, func() error {
		if left := time.Until(at); left > 0 {
			return fmt.Errorf("for %v", left)
		}
		return nil
	})
}

// resident is the memory of a node's ngha, in KiB.
func resident(t *testing.T, n *testenv.Node) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Process().PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
