package testenv

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// wire makes frames as a capture would see them: milliseconds, the sender's
// number, and a priority, or -1 for gratuitous ARP.
func wire(events ...[3]int) Frames {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	vip := netip.MustParseAddr("198.51.100.100")
	var fs Frames
	for _, e := range events {
		f := Frame{
			At: start.Add(time.Duration(e[0]) * time.Millisecond), Src: net.HardwareAddr{2, 0, 0, 0, 0, byte(e[1])},
			From: string(rune('a' - 1 + e[1])),
		}
		if e[2] < 0 {
			f.Announced = vip
		} else {
			f.IP = &IP{Src: netip.AddrFrom4([4]byte{198, 51, 100, byte(e[1])}), TTL: 255, Protocol: protocolVRRP}
			f.Advert = &Advert{Version: 3, VRID: 51, Priority: e[2], Interval: time.Second, Addresses: []netip.Addr{vip}}
		}
		fs = append(fs, f)
	}
	return fs
}

func TestLawsBite(t *testing.T) {
	const interval = time.Second
	oneSpeaker := func(fs Frames) error { return fs.NoTwoSpeakers(51, interval) }
	announced := func(fs Frames) error { return fs.AnnouncedWithin(51, 50*time.Millisecond) }
	atOnce := func(fs Frames) error { return fs.AnnouncedAtOnce(51) }
	quiet := func(fs Frames) error { return fs.QuietAfterRelease(51, 2*interval) }
	ttl := func(fs Frames) error { return fs.TTL255() }
	foreign := wire([3]int{0, 1, 200})
	foreign[0].IP.TTL = 254
	for _, c := range []struct {
		name   string
		law    func(Frames) error
		frames Frames
		broken bool
	}{
		{"one speaker", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{1000, 1, 200}), false},
		{"a takeover after silence", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{3600, 2, 100}, [3]int{4600, 2, 100}), false},
		{"a takeover after priority 0", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{900, 1, 0}, [3]int{1500, 2, 100}, [3]int{2500, 2, 100}), false},
		{"one advertisement crosses another", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{500, 2, 100}, [3]int{1000, 1, 200}), false},
		{"one gives way and comes back after the other's release", oneSpeaker, wire([3]int{0, 1, 100}, [3]int{100, 2, 200},
			[3]int{101, 1, 100}, [3]int{1100, 2, 200}, [3]int{1200, 2, 0}, [3]int{1700, 1, 100}), false},
		{"announced once, an advertisement late", announced, wire([3]int{0, 1, 200}, [3]int{1, 1, -1}, [3]int{1600, 1, 200}), false},
		{"two speakers", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{500, 2, 100}, [3]int{1000, 1, 200}, [3]int{1500, 2, 100}, [3]int{2000, 1, 200}, [3]int{2500, 2, 100}), true},
		{"two speakers, one of whom releases late", oneSpeaker, wire([3]int{0, 1, 200}, [3]int{100, 2, 100}, [3]int{1000, 1, 200}, [3]int{1200, 2, 100}, [3]int{1300, 1, 0}), true},
		{"announced in time", announced, wire([3]int{0, 1, 200}, [3]int{10, 1, -1}), false},
		{"announced late", announced, wire([3]int{0, 1, 200}, [3]int{60, 1, -1}), true},
		{"announced by another", announced, wire([3]int{0, 1, 200}, [3]int{10, 2, -1}), true},
		{"never announced", announced, wire([3]int{0, 1, 200}, [3]int{1000, 1, 200}), true},
		{"announced in the first reign only", announced, wire([3]int{0, 1, 200}, [3]int{1, 1, -1}, [3]int{9000, 1, 200}), true},
		{"announced at once", atOnce, wire([3]int{0, 1, 200}, [3]int{900, 1, -1}, [3]int{1000, 1, 200}, [3]int{1100, 1, -1}), false},
		{"announced after the second advertisement", atOnce, wire([3]int{0, 1, 200}, [3]int{1000, 1, 200}, [3]int{1001, 1, -1}), true},
		{"not announced at all", atOnce, wire([3]int{0, 1, 200}), true},
		{"announced at once by another", atOnce, wire([3]int{0, 1, 200}, [3]int{10, 2, -1}), true},
		{"announced at once in the first reign only", atOnce, wire([3]int{0, 1, 200}, [3]int{1, 1, -1}, [3]int{9000, 1, 200}), true},
		{"quiet after release", quiet, wire([3]int{0, 1, 200}, [3]int{500, 1, 0}, [3]int{2600, 1, 1}), false},
		{"loud after release", quiet, wire([3]int{0, 1, 200}, [3]int{500, 1, 0}, [3]int{1500, 1, 1}), true},
		{"another speaks after release", quiet, wire([3]int{0, 1, 200}, [3]int{500, 1, 0}, [3]int{900, 2, 100}), false},
		{"TTL 255", ttl, wire([3]int{0, 1, 200}), false},
		{"TTL 254", ttl, foreign, true},
	} {
		if err := c.law(c.frames); (err != nil) != c.broken {
			t.Errorf("%s: the law says %v, want broken: %v", c.name, err, c.broken)
		}
	}
}
