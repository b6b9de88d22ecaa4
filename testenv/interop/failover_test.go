package interop_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ngha/testenv"
)

// releases are those of Debian whose keepalived ngha is put beside: 2.2.7, which
// this machine has, and 2.3.3.
var releases = []string{"", "trixie"}

// TestFailover moves the addresses between ngha and keepalived by a crash, a
// return and an orderly end, under every agreement that the two can have.
func TestFailover(t *testing.T) {
	for _, release := range releases {
		for _, dialect := range []setting{{version: 2}, {version: 2, password: "hush-hus"}, {version: 3}, {version: 3, ipv6: true}} {
			for _, unicast := range []bool{false, true} {
				for _, nopreempt := range []bool{false, true} {
					s := dialect
					s.release, s.unicast, s.nopreempt = release, unicast, nopreempt
					for _, better := range []string{"ngha", "keepalived"} {
						t.Run(fmt.Sprintf("%s/%s higher", s, better), func(t *testing.T) {
							t.Parallel()
							failover(t, s, better)
						})
					}
				}
			}
		}
	}
}

// TestFailoverOfBothFamilies moves addresses of IPv4 and IPv6 together, one of
// which keepalived does not advertise (virtual_ipaddress_excluded), and an IPv6
// list as RFC 9568 wants it, which ngha has in another order.
func TestFailoverOfBothFamilies(t *testing.T) {
	for _, release := range releases {
		for _, s := range []setting{
			{version: 2, beside: true}, {version: 3, beside: true}, {version: 3, ipv6: true, beside: true}, {version: 3, ipv6: true, linkLocal: true},
		} {
			s.release = release
			for _, better := range []string{"ngha", "keepalived"} {
				t.Run(fmt.Sprintf("%s/%s higher", s, better), func(t *testing.T) {
					t.Parallel()
					failover(t, s, better)
				})
			}
		}
	}
}

func (s setting) String() string {
	name := fmt.Sprintf("v%d", s.version)
	if s.release != "" {
		name = s.release + " " + name
	}
	if s.password != "" {
		name += " password"
	}
	if s.ipv6 {
		name += " IPv6"
	}
	if s.linkLocal {
		name += " link-local first"
	}
	if s.beside {
		name += " and the other family"
	}
	if s.unicast {
		name += " unicast"
	} else {
		name += " multicast"
	}
	if s.nopreempt {
		name += " nopreempt"
	}
	return name
}

func failover(t *testing.T, s setting, better string) {
	// The lower one has the higher address: it must not count.
	ngha, keepalived := side{address: "198.51.100.1", priority: higher}, side{address: "198.51.100.2", priority: lower}
	if better == "keepalived" {
		ngha, keepalived = side{address: "198.51.100.2", priority: lower}, side{address: "198.51.100.1", priority: higher}
	}
	p := newPair(t, s, ngha, keepalived)
	a, b := p.ngha, p.keepalived
	if better == "keepalived" {
		a, b = b, a
	}
	a.start() // listens from now on, and for a shorter time than b
	b.start()
	p.settlesOn(a, 1)

	a.kill()
	p.settlesOn(b, 1)

	a.start()
	holder := a
	if s.nopreempt {
		holder = b
		p.settlesOn(b, 4) // longer than a would listen before it takes over
	} else {
		p.settlesOn(a, 2)
	}
	p.handsOver(holder)
	p.checkAdverts()
	p.checkStatus()
	p.checkLaws()
}

// handsOver ends x in an orderly way, whereupon the other side takes over after
// Skew_Time and not after Active_Down_Interval.
func (p *pair) handsOver(x *side) {
	p.Helper()
	y := p.other(x)
	spoke := p.nextAdvert(x)
	x.end()
	released := p.capture.Await("a priority 0 of "+x.name, limit,
		testenv.IsAdvert(vrid), testenv.From(x.link), testenv.WithPriority(0), testenv.After(spoke.At))
	taken := p.capture.Await("an advertisement of "+y.name, limit,
		testenv.IsAdvert(vrid), testenv.From(y.link), testenv.After(released.At))

	// Nothing but silence would count from the last word that was no release,
	// and would last three intervals and a skew.
	before := p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(x.link))
	var last testenv.Frame
	for _, f := range before {
		if f.Advert.Priority != 0 && f.At.Before(released.At) {
			last = f
		}
	}
	if waited := taken.At.Sub(last.At); waited >= 3*p.interval()+p.skew(y.priority) {
		p.Errorf("%s took over %v after the last advertisement of %s, as if it had not heard the release", y.name, waited, x.name)
	}
	if waited, skew := taken.At.Sub(released.At), p.skew(y.priority); waited < skew/2 {
		p.Errorf("%s took over %v after the release, want Skew_Time, %v", y.name, waited, skew)
	}
	p.settlesOn(y, 1)
	if late := p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(x.link), testenv.After(taken.At)); len(late) > 0 {
		p.Errorf("%s spoke after its end: %v", x.name, late[0])
	}
}

// checkAdverts wants all that both sides said to say the same, but for the
// priority.
func (p *pair) checkAdverts() {
	p.Helper()
	want := testenv.Advert{Version: p.version, VRID: vrid, Interval: p.interval(), Checksum: testenv.ChecksumMessage}
	if p.version == 3 {
		want.Checksum = testenv.ChecksumPseudoHeader // keepalived's reading, and ngha's default
	}
	for _, vip := range p.advertised() {
		want.Addresses = append(want.Addresses, netip.MustParseAddr(vip))
	}
	said := make(map[*side]int)
	for _, x := range []*side{p.ngha, p.keepalived} {
		to := netip.MustParseAddr("224.0.0.18")
		switch {
		case p.unicast:
			to = netip.MustParseAddr(p.other(x).address)
		case p.ipv6:
			to = netip.MustParseAddr("ff02::12")
		}
		for _, f := range p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(x.link)) {
			diff := cmp.Diff(&want, f.Advert, cmpopts.IgnoreFields(testenv.Advert{}, "Priority"), cmpopts.EquateComparable(netip.Addr{}))
			if diff != "" || f.IP.Dst != to || f.IP.Src.String() != x.address || f.IP.TOS != 0xc0 {
				p.Errorf("%s sent %v with TOS %#x (-want +got):\n%s", x.name, f, f.IP.TOS, diff)
				break
			}
			if f.Advert.Priority != 0 && f.Advert.Priority != x.priority {
				p.Errorf("%s sent priority %d, want %d", x.name, f.Advert.Priority, x.priority)
				break
			}
			said[x]++
		}
		if said[x] == 0 {
			p.Errorf("%s said nothing", x.name)
		}
	}
}

// checkStatus wants ngha, if it runs, to have heard keepalived and to have
// refused nothing.
func (p *pair) checkStatus() {
	p.Helper()
	if !p.node.Process().Running() {
		return
	}
	s, err := p.node.Status()
	if err != nil {
		p.Fatal(err)
	}
	c := s.VirtualRouters[0].Counters
	if c.Received == 0 {
		p.Error("ngha heard nothing of keepalived")
	}
	if len(c.Discarded) > 0 {
		p.Errorf("ngha discarded %v, want nothing", c.Discarded)
	}
	if alarms := s.VirtualRouters[0].Alarms; len(alarms) > 0 && p.checksum == "" {
		p.Errorf("ngha has alarms about a keepalived that is configured as it is: %+v", alarms)
	}
}

// checkLaws holds the whole capture against what always holds on a connected
// network.
func (p *pair) checkLaws() {
	p.Helper()
	frames := p.capture.Frames()
	ours := frames.Where(func(f testenv.Frame) bool { return !testenv.From(p.keepalived.link)(f) })
	for _, err := range []error{
		frames.TTL255(),
		frames.NoTwoSpeakers(vrid, 2*p.interval()), // one, and a slow machine
		ours.AnnouncedWithin(vrid, time.Second),
	} {
		if err != nil {
			p.Error(err)
		}
	}
}
