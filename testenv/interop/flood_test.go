package interop_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// TestRejectedAdvertsStarveNobody floods two nodes with advertisements that must
// be discarded. keepalived, up to 2.4.3 at least, restarts its Adver_Timer after
// every packet, refused ones included: its Active falls silent and its Backups
// take over for as long as this lasts.
func TestRejectedAdvertsStarveNobody(t *testing.T) {
	for _, s := range []setting{{version: 2}, {version: 3}} {
		t.Run(fmt.Sprintf("v%d", s.version), func(t *testing.T) {
			t.Parallel()
			lab := testenv.New(t)
			lan := lab.Bridge("lan")
			a, b, mallory := lab.Host("a"), lab.Host("b"), lab.Host("mallory")
			la, lb := lan.Attach(a, "198.51.100.1/24"), lan.Attach(b, "198.51.100.2/24")
			from := lan.Attach(mallory, "198.51.100.66/24")
			capture := lan.Capture()
			node := testenv.Node{VRID: vrid, VIPs: vips, Version: s.version, Interval: s.interval(), Priority: higher, Env: quickEnd}
			na := lab.StartNode(a, node)
			na.AwaitHolds(vips[0])
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
			nb.AwaitHolds(vips[0])
			capture.Await("an advertisement of b", limit, testenv.IsAdvert(vrid), testenv.From(lb))
			na.AwaitGone(vips[0])
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

// bad is an advertisement that must be discarded, and why.
type bad struct {
	reason string // as ngha counts it
	ttl    uint8
	data   []byte
}

// rubbish is of all kinds. It claims the highest priority there is, or releases
// what is not its own.
func rubbish(s setting) []bad {
	var all []bad
	for _, priority := range []byte{255, 0} {
		good := advert(s, priority)
		with := func(change func([]byte) []byte, mend bool) []byte {
			b := change(append([]byte(nil), good...))
			if mend {
				seal(b)
			}
			return b
		}
		all = append(all,
			bad{"ttl", 64, good},
			bad{"checksum", 255, with(func(b []byte) []byte { b[6]++; return b }, false)},
			bad{"version", 255, with(func(b []byte) []byte { b[0] = 5<<4 | 1; return b }, true)},
			bad{"version", 255, advert(setting{version: 5 - s.version}, priority)}, // the other one, and valid
			bad{"type", 255, with(func(b []byte) []byte { b[0]++; return b }, true)},
			bad{"length", 255, good[:9]},
			bad{"unexpected trailer", 255, with(func(b []byte) []byte { return append(b, 1, 2, 3, 4) }, true)},
			bad{"count", 255, with(func(b []byte) []byte { b[3] = 0; return append(b[:8], b[8+4*len(vips):]...) }, true)},
			bad{"interval", 255, with(func(b []byte) []byte { b[4], b[5] = b[4]&0xf0, 0; return b }, true)},
		)
	}
	return all
}

// mallory is whence the rubbish comes.
var mallory = netip.MustParseAddr("198.51.100.66")

// advert makes a valid advertisement (RFC 3768 and RFC 9568, section 5.1 of
// both).
func advert(s setting, priority byte) []byte {
	b := []byte{byte(s.version)<<4 | 1, vrid, priority, byte(len(vips)), 0, 0, 0, 0}
	if s.version == 2 {
		b[5] = byte(s.interval() / time.Second)
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(s.interval()/(10*time.Millisecond)))
	}
	for _, vip := range vips {
		b = append(b, netip.MustParseAddr(vip).AsSlice()...)
	}
	if s.version == 2 {
		b = append(b, make([]byte, 8)...) // authentication data
	}
	seal(b)
	return b
}

// seal writes the checksum: over the message alone, which both versions know.
func seal(b []byte) {
	b[6], b[7] = 0, 0
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[6:], ^uint16(sum))
}

// flood sends rubbish from the link, a packet every millisecond, until the test
// ends.
func flood(t *testing.T, from *testenv.Link, s setting) {
	t.Helper()
	kinds := rubbish(s)
	pour(t, from, 1, func(i int) []byte { return packet(kinds[i%len(kinds)]) })
}

// pour sends IP packets from the link, so many every millisecond, until stop is
// called or the test ends. next returns the packet of a number.
func pour(t *testing.T, from *testenv.Link, perMillisecond int, next func(i int) []byte) (stop func() (sent int)) {
	t.Helper()
	fd := -1
	err := from.Host().Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err == nil {
			err = unix.BindToDevice(fd, from.Name())
		}
		return err
	})
	if err != nil {
		t.Fatalf("open a raw socket: %v", err)
	}
	quit, done := make(chan struct{}), make(chan error, 1)
	var sent atomic.Int64
	go func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		begun := time.Now()
		for i := 0; ; {
			select {
			case <-quit:
				done <- nil
				return
			case <-ticker.C:
			}
			// A tick that was late is made up for.
			for due := perMillisecond * int(time.Since(begun)/time.Millisecond); i < due; i++ {
				if err := unix.Sendto(fd, next(i), 0, &unix.SockaddrInet4{Addr: [4]byte{224, 0, 0, 18}}); err != nil {
					done <- fmt.Errorf("send: %w", err)
					return
				}
				sent.Add(1)
			}
		}
	}()
	stop = sync.OnceValue(func() int {
		close(quit)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
		return int(sent.Load())
	})
	t.Cleanup(func() { stop() })
	return stop
}

// packet puts an IP header before b, from mallory.
func packet(b bad) []byte { return packetFrom(mallory, b) }

// packetFrom puts an IP header before b, to the multicast group. The kernel
// fills in the length and the checksum.
func packetFrom(src netip.Addr, b bad) []byte {
	h := make([]byte, 20, 20+len(b.data))
	h[0], h[8], h[9] = 0x45, b.ttl, 112
	copy(h[12:], src.AsSlice())
	copy(h[16:], []byte{224, 0, 0, 18})
	return append(h, b.data...)
}
