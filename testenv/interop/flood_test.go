package interop_test

import (
	"fmt"
	"testing"
	"time"

	"ngha/testenv"
)

// TestRejectedAdvertsStarveNobody floods two nodes with advertisements that must
// be discarded. keepalived, up to 2.4.3 at least, restarts its Adver_Timer after
// every packet, refused ones included: its Active falls silent and its Backups
// take over for as long as this lasts.
func TestRejectedAdvertsStarveNobody(t *testing.T) {
	for _, s := range []setting{{version: 2}, {version: 3}, {version: 3, ipv6: true}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			lab := testenv.New(t)
			lan := lab.Bridge("lan")
			a, b, mallory := lab.Host("a"), lab.Host("b"), lab.Host("mallory")
			la, lb := lan.Attach(a, "198.51.100.1/24", "2001:db8::1/64"), lan.Attach(b, "198.51.100.2/24", "2001:db8::2/64")
			from := lan.Attach(mallory, "198.51.100.66/24")
			capture := lan.Capture()
			node := testenv.Node{VRID: vrid, VIPs: s.all(), Version: s.version, Interval: s.interval(), Priority: higher, Env: quickEnd, RealTime: true}
			na := lab.StartNode(a, node)
			na.AwaitHolds(s.advertised()[0])
			node.Priority = lower
			nb := lab.StartNode(b, node)
			nb.AwaitHealth("healthy")

			flood(t, from, s)
			begun := time.Now()
			const spell = 6 // intervals
			last := capture.Await("advertisements of a during the flood", limit, testenv.IsAdvert(vrid), testenv.From(la),
				testenv.After(begun.Add(spell*s.interval())))
			var before time.Time
			spoke := 0
			for _, f := range capture.Frames().Where(testenv.IsAdvert(vrid), testenv.After(begun.Add(-s.interval()))) {
				switch {
				case testenv.From(lb)(f):
					t.Fatalf("the backup spoke although the active did: %v", f)
				case !testenv.From(la)(f) || f.At.After(last.At):
					continue
				}
				if gap := f.At.Sub(before); spoke > 0 && gap >= 3*s.interval() {
					t.Errorf("a was silent for %v during the flood", gap)
				}
				before = f.At
				spoke++
			}
			if spoke > spell+3 {
				t.Errorf("a spoke %d times in %d intervals: what it discards made it speak", spoke, spell)
			}
			for _, n := range []*testenv.Node{na, nb} {
				discardsAll(n, s)
			}

			// Nor is the Backup kept from its duty.
			na.Kill()
			nb.AwaitHolds(s.advertised()[0])
			capture.Await("an advertisement of b", limit, testenv.IsAdvert(vrid), testenv.From(lb))
			na.AwaitGone(s.advertised()[0])
		})
	}
}

// discardsAll waits until the node has discarded something for every reason
// that there is in the flood.
func discardsAll(n *testenv.Node, s setting) {
	n.AwaitStatus("through with every kind of rubbish", func(status testenv.Status) error {
		have := status.VirtualRouters[0].Counters.Discarded
		for _, r := range rubbish(s) {
			if have[r.reason] == 0 {
				return fmt.Errorf("it discarded %v, and nothing for %s", have, r.reason)
			}
		}
		return nil
	})
}

// rubbish is of all kinds. It claims the highest priority there is, or releases
// what is not its own.
func rubbish(s setting) []bad {
	var all []bad
	other := s
	other.version = 5 - s.version
	none := 8 // octets of a message without addresses
	if s.version == 2 {
		none += 8 // authentication data
	}
	for _, priority := range []byte{255, 0} {
		good := advert(s, priority)
		with := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
		all = append(all,
			bad{reason: "ttl", ttl: 64, data: good},
			bad{reason: "checksum", ttl: 255, data: good},
			bad{reason: "version", ttl: 255, data: with(func(b []byte) []byte { b[0] = 5<<4 | 1; return b })},
			bad{reason: "version", ttl: 255, data: advert(other, priority)}, // and valid, but over IPv6
			bad{reason: "type", ttl: 255, data: with(func(b []byte) []byte { b[0]++; return b })},
			bad{reason: "length", ttl: 255, data: good[:9]},
			bad{reason: "unexpected trailer", ttl: 255, data: with(func(b []byte) []byte { return append(b, 1, 2, 3, 4) })},
			bad{reason: "unexpected trailer", ttl: 255, data: with(func(b []byte) []byte { return append(b, make([]byte, 1300)...) })},
			bad{reason: "count", ttl: 255, data: with(func(b []byte) []byte { b[3] = 0; return b[:none] })},
			bad{reason: "interval", ttl: 255, data: with(func(b []byte) []byte { b[4], b[5] = b[4]&0xf0, 0; return b })},
		)
	}
	return all
}

// flood sends rubbish from the link, a packet every millisecond, until the test
// ends.
func flood(t *testing.T, from *testenv.Link, s setting) {
	t.Helper()
	kinds := rubbish(s)
	pour(t, from, 1, func(i int) []byte { return frame(from.MAC(), s.mallory(), s.group(), kinds[i%len(kinds)]) })
}
