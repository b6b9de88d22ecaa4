package interop_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

const (
	signedVRID   = 52
	hostileFor   = 30 * time.Second
	hostilePace  = 10 // packets a millisecond
	memoryGrowth = 24 << 10
)

// TestHostileNetwork pours ten thousand packets a second over two nodes for half
// a minute, at two virtual routers of theirs, of which one is signed: malformed,
// forged, repeated, foreign, from senders that are nobody or the nodes themselves,
// and some that are no more than of lower priority. Nothing moves, the Active
// speaks in time, and memory stays what it was.
func TestHostileNetwork(t *testing.T) {
	lab := testenv.New(t)
	lan := lab.Bridge("lan")
	capture := lan.Capture()
	keys := filepath.Join(lab.Dir(), "keys")
	if err := os.WriteFile(keys, []byte("1 hex:"+strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := setting{version: 3}
	var nodes [2]*testenv.Node
	var links [2]*testenv.Link
	for i, name := range []string{"a", "b"} {
		h := lab.Host(name)
		links[i] = lan.Attach(h, fmt.Sprintf("198.51.100.%d/24", i+1))
		nodes[i] = lab.StartNode(h, testenv.Node{Env: quickEnd, Config: fmt.Sprintf(`
virtual_routers:
  - {name: plain, vrid: %[1]d, addresses: ["%[3]s"], priority: %[5]d, interval: %[6]v}
  - {name: signed, vrid: %[2]d, addresses: [198.51.100.101], priority: %[5]d, interval: %[6]v, auth: {keys_file: "%[4]s"}}
`, vrid, signedVRID, strings.Join(vips, `", "`), keys, 200-50*i, s.interval())})
		nodes[i].AwaitHealth("healthy")
		nodes[i].AwaitState([]string{"active", "backup"}[i])
	}
	// What there is to repeat: both nodes' own words, releases included.
	began := time.Now()
	for _, id := range []int{vrid, signedVRID} {
		capture.Await("some of a's words", limit, testenv.IsAdvert(id), testenv.From(links[0]), testenv.After(began.Add(3*s.interval())))
	}
	from := lan.Attach(lab.Host("mallory"), mallory.String()+"/24")
	capture.Without(from)
	stop := pour(t, from, hostilePace, hostile(s, capture.Frames()))

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
			if len(v.Counters.Discarded) < 8 {
				t.Errorf("%s of %s discarded %v, want of many kinds", v.Name, n.Host(), v.Counters.Discarded)
			}
			if len(v.Alarms) > 100 {
				t.Errorf("%s of %s has %d alarms", v.Name, n.Host(), len(v.Alarms))
			}
		}
		if v := status.VirtualRouters[1].Counters.Discarded; v["replay"]+v["stale"] == 0 || v["unsigned"] == 0 || v["signature"] == 0 {
			t.Errorf("the signed one of %s discarded %v, want forgeries and repetitions among it", n.Host(), v)
		}
	}

	// Nor has the Backup become deaf.
	nodes[0].Kill()
	nodes[1].AwaitState("active")
}

// hostile returns the packets of a flood, made of what was said before it.
func hostile(s setting, said testenv.Frames) func(i int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	bad := rubbish(s)
	var old [][]byte // IP packets
	for _, f := range said.Where(func(f testenv.Frame) bool { return f.Advert != nil && f.Advert.VRID == signedVRID }) {
		old = append(old, f.Data[14:])
	}
	anyone := func() netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + r.IntN(240))}) }
	return func(int) []byte {
		b := bad[r.IntN(len(bad))]
		b.data = append([]byte(nil), b.data...)
		id := byte(vrid)
		if r.IntN(2) == 0 {
			id = signedVRID
		}
		src := []netip.Addr{mallory, anyone(), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}[r.IntN(4)]
		switch r.IntN(8) {
		case 0, 1: // malformed
		case 2: // noise
			for i := range b.data {
				if i != 1 {
					b.data[i] ^= byte(r.IntN(256))
				}
			}
		case 3: // somebody else's virtual router
			id, b.ttl, b.data = byte(60+r.IntN(100)), 255, advert(s, 255)
		case 4: // a neighbour that is lower
			src, b.ttl, b.data = anyone(), 255, advert(s, byte(2+r.IntN(90)))
		case 5: // what was said before, by whomever
			p := append([]byte(nil), old[r.IntN(len(old))]...)
			if r.IntN(2) == 0 {
				copy(p[12:16], src.AsSlice())
				seal(p[20 : len(p)-28])
			}
			return p
		case 6: // a forged signature
			p := old[r.IntN(len(old))]
			b.ttl, b.data = 255, append([]byte(nil), p[20:]...)
			b.data[2] = 254
			seal(b.data[:len(b.data)-28])
			return packetFrom(src, b)
		case 7: // the highest priority, for the one that believes in signatures
			id, b.ttl, b.data = signedVRID, 255, advert(s, 255)
		}
		if len(b.data) > 1 {
			b.data[1] = id
			if b.reason != "checksum" && len(b.data) >= 8 {
				seal(b.data)
			}
		}
		return packetFrom(src, b)
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
	if longest > 2*interval {
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
