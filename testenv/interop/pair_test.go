package interop_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const (
	vrid = 51

	higher, lower = 200, 100 // priorities

	// limit is how long is waited for what must happen, far beyond all timers.
	limit = 40 * time.Second
)

// quickEnd spares the race detector's second of sleep at every end.
var quickEnd = []string{"GORACE=atexit_sleep_ms=0"}

// vips are the virtual addresses, in the order in which both configurations
// have them; vips6 those of an election over IPv6.
var (
	vips  = []string{"198.51.100.100", "198.51.100.7"}
	vips6 = []string{"2001:db8::100", "2001:db8::7"}
)

// setting is what both sides of a pair agree on.
type setting struct {
	version   int
	unicast   bool
	nopreempt bool // and failback: never
	checksum  string
	password  string // of version 2
	release   string // of Debian, whose keepalived it is; "": this machine's
	fewer     bool   // keepalived has only the first address

	ipv6      bool // the election is
	linkLocal bool // an IPv6 one has a link-local address, which keepalived has first and ngha last
	beside    bool // there is an address of the other family, too
	hops64    bool // keepalived sends to an IPv6 peer as it does if it is not told: with hop limit 64

	virtualMAC bool // the addresses are at the virtual router's own
}

// advertised are the addresses in the advertisements of both sides, in their
// order.
func (s setting) advertised() []string {
	switch {
	case s.linkLocal:
		return []string{"fe80::100", vips6[0]}
	case s.ipv6:
		return vips6
	}
	return vips
}

// rider is the address of the other family, nil where there is none.
func (s setting) rider() []string {
	switch {
	case !s.beside:
		return nil
	case s.ipv6:
		return vips[:1]
	}
	return vips6[:1]
}

// all are all addresses.
func (s setting) all() []string { return slices.Concat(s.advertised(), s.rider()) }

// interval is the Advertisement_Interval: version 2 has no shorter one.
func (s setting) interval() time.Duration {
	if s.version == 2 {
		return time.Second
	}
	return 300 * time.Millisecond
}

// skew is Skew_Time (RFC 3768 and RFC 9568, section 6.1 of both).
func (s setting) skew(priority int) time.Duration {
	unit := s.interval() // under version 2 always a second
	return time.Duration(256-priority) * unit / 256
}

// side is one of the two peers.
type side struct {
	name     string
	host     *testenv.Host
	link     *testenv.Link
	address  string // from which it speaks
	priority int
	dark     bool // its host is off: what its kernel has reaches nobody

	start func()
	kill  func() // at once, without a word
	end   func() // in an orderly way
}

// pair is an ngha and a keepalived on one LAN, and a client.
type pair struct {
	*testing.T
	setting
	lab              *testenv.Lab
	lan              *testenv.Bridge
	capture          *testenv.Capture
	client           *testenv.Host
	ngha, keepalived *side
	node             *testenv.Node // nil until ngha was started
}

// newPair builds the LAN. Neither side runs yet. Of two sides with the same
// priority the one with the higher last byte wins, over IPv6 too: there the last
// byte is that of its global address, and the order that of its link-local one.
func newPair(t *testing.T, s setting, ngha, keepalived side) *pair {
	t.Helper()
	testenv.RequireBinary(t, "keepalived")
	p := &pair{T: t, setting: s, lab: testenv.New(t), ngha: &ngha, keepalived: &keepalived}
	p.lan = p.lab.Bridge("lan")
	ngha.name, keepalived.name = "ngha", "keepalived"
	sides := []*side{&ngha, &keepalived}
	slices.SortFunc(sides, func(x, y *side) int { // the host that is made later has the higher link-local address
		return netip.MustParseAddr(x.address).Compare(netip.MustParseAddr(y.address))
	})
	for _, x := range sides {
		x.host = p.lab.Host(x.name)
		global := "2001:db8::" + x.address[strings.LastIndex(x.address, ".")+1:]
		x.link = p.lan.Attach(x.host, x.address+"/24", global+"/64")
		switch {
		case s.ipv6 && s.unicast:
			x.address = global
		case s.ipv6:
			x.address = linkLocalOf(t, p.lab, x.host)
		}
	}
	p.client = p.lab.Host("client")
	p.lan.Attach(p.client, "198.51.100.9/24", "2001:db8::9/64")
	p.capture = p.lan.Capture()
	p.setUpNgha()
	p.setUpKeepalived()
	return p
}

// linkLocalOf is the address that a host's kernel has made for itself.
func linkLocalOf(t *testing.T, lab *testenv.Lab, h *testenv.Host) (address string) {
	t.Helper()
	lab.Await(h.Name()+" to have a link-local address", limit, func() error {
		all, err := h.Addresses()
		for _, a := range all {
			if a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() {
				address = a.Addr().String()
				return nil
			}
		}
		return errors.Join(fmt.Errorf("it has %v", all), err)
	})
	return address
}

func (p *pair) setUpNgha() {
	own := p.all()
	if p.linkLocal {
		own = append(own[1:], own[0])
	}
	n := testenv.Node{
		VRID: vrid, VIPs: own, Priority: p.ngha.priority,
		Version: p.version, Interval: p.interval(), Failback: "now",
		Env: quickEnd, RealTime: true,
	}
	if p.nopreempt {
		n.Failback = "never"
	}
	if p.unicast {
		n.Peers = []string{p.keepalived.address}
	}
	if p.virtualMAC {
		n.Router += "virtual_mac: true\n"
	}
	if p.checksum != "" {
		n.Router += "checksum: " + p.checksum + "\n"
	}
	if p.password != "" {
		n.Router += "password: " + p.password + "\n"
	}
	p.ngha.start = func() {
		if p.node == nil {
			p.node = p.lab.StartNode(p.ngha.host, n)
		} else {
			p.node.Start()
		}
		p.node.AwaitHealth("healthy")
	}
	p.ngha.kill = func() { p.node.Kill() }
	p.ngha.end = func() { p.endProcess(p.node.Process()) }
}

func (p *pair) setUpKeepalived() {
	k := p.keepalived
	if p.release != "" {
		k.host.SetRoot(p.lab.Root(p.release))
	}
	var process *testenv.Process
	k.start = func() {
		if k.dark {
			k.host.PowerOn()
			k.dark = false
		}
		process = p.lab.StartKeepalived(k.host, p.keepalivedConf())
		p.listens(k)
	}
	// Killed alone it would leave its addresses to the kernel, for ever.
	k.kill = func() {
		k.host.PowerOff()
		k.dark = true
	}
	k.end = func() { p.endProcess(process) }
}

func (p *pair) endProcess(process *testenv.Process) {
	p.Helper()
	process.Signal(unix.SIGTERM)
	if state := process.AwaitExit(); state.ExitCode() != 0 {
		p.Errorf("%s ended with %v", process.Name(), state)
	}
}

func (p *pair) keepalivedConf() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("global_defs { vrrp_version %d }", p.version)
	line("vrrp_instance web {")
	line("interface %s", p.keepalived.link.Name())
	line("virtual_router_id %d", vrid)
	line("priority %d", p.keepalived.priority)
	line("advert_int %v", p.interval().Seconds())
	if p.nopreempt {
		line("nopreempt")
	}
	if p.virtualMAC {
		line("use_vmac")
	}
	if p.password != "" {
		line("authentication {\nauth_type PASS\nauth_pass %s\n}", p.password)
	}
	if p.unicast {
		line("unicast_src_ip %s", p.keepalived.address)
		line("unicast_peer {\n%s\n}", p.ngha.address)
	}
	if p.unicast && p.ipv6 && !p.hops64 {
		line("unicast_ttl 255")
	}
	line("virtual_ipaddress {")
	for i, vip := range p.advertised() {
		if i == 0 || !p.fewer {
			line("%s", vip) // as /32 or /128
		}
	}
	line("}")
	for _, vip := range p.rider() {
		line("virtual_ipaddress_excluded {\n%s\n}", vip)
	}
	line("}")
	return b.String()
}

// listens waits until the side has opened its VRRP socket: from then on it
// takes part.
func (p *pair) listens(x *side) {
	p.Helper()
	p.lab.Await(x.name+" to listen", limit, func() error {
		return x.host.Do(func() error {
			name := "raw"
			if p.ipv6 {
				name = "raw6"
			}
			table, err := os.ReadFile("/proc/thread-self/net/" + name)
			if err == nil && !strings.Contains(string(table), ":0070 ") { // IP protocol 112
				err = errors.New("it has no socket for VRRP")
			}
			return err
		})
	})
}

// other is the side that x is not.
func (p *pair) other(x *side) *side {
	if x == p.ngha {
		return p.keepalived
	}
	return p.ngha
}

// settlesOn waits until x has the addresses and the other side has not, and
// then for an advertisement of x and so many more, during which x alone speaks. A unicast
// advertisement for a host that is off is none on the wire: nobody tells its
// hardware address any more.
func (p *pair) settlesOn(x *side, adverts int) {
	p.Helper()
	y := p.other(x)
	for _, vip := range p.all() {
		x.host.AwaitHolds(vip)
		if !y.dark {
			y.host.AwaitGone(vip)
		}
	}
	if p.unicast && y.dark {
		return
	}
	first := p.nextAdvert(x)
	var last testenv.Frame
	p.lab.Await(fmt.Sprintf("%d advertisements of %s", adverts, x.name), limit, func() error {
		sent := p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(x.link), testenv.After(first.At))
		if len(sent) < adverts {
			return fmt.Errorf("there are %d", len(sent))
		}
		last = sent[adverts-1]
		return nil
	})
	for _, f := range p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(y.link), testenv.After(first.At)) {
		// A keepalived that starts gives up at once what it might have.
		if f.At.Before(last.At) && f.Advert.Priority != 0 {
			p.Errorf("%s speaks while %s has the addresses: %v", y.name, x.name, f)
		}
	}
	for _, vip := range p.all() {
		p.holds(x, vip, true)
		if !y.dark {
			p.holds(y, vip, false)
		}
	}
}

func (p *pair) holds(x *side, vip string, want bool) {
	p.Helper()
	holds, err := x.host.Holds(vip)
	if err != nil {
		p.Fatal(err)
	}
	if holds != want {
		p.Errorf("%s holds %s: %v, want %v", x.name, vip, holds, want)
	}
}

// nextAdvert waits for x's next advertisement.
func (p *pair) nextAdvert(x *side) testenv.Frame {
	p.Helper()
	return p.capture.Await("an advertisement of "+x.name, limit,
		testenv.IsAdvert(vrid), testenv.From(x.link), testenv.After(time.Now()))
}
