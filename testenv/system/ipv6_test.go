package system_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

// families are the addresses of an election over IPv6, and of both with one of
// the other family beside.
var families = map[string][]string{
	"IPv6":               {vip6},
	"IPv6 and IPv4":      {vip6, vip},
	"IPv4 and then IPv6": {vip, vip6},
}

// newSite6 is newSite with these virtual addresses, on hosts that look for
// duplicates of the addresses they are given, as hosts do.
func newSite6(t *testing.T, vips []string, configs ...testenv.Node) *site {
	t.Helper()
	s := newLAN(t, configs[0].Interval)
	s.vips = vips
	s.populate(configs...)
	for _, m := range s.nodes {
		s.sysctl(m, "accept_dad", "1")
	}
	return s
}

// sysctl sets one of m's settings of IPv6 for eth0.
func (s *site) sysctl(m *member, name, value string) {
	s.Helper()
	err := m.Host().Do(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/eth0/"+name, []byte(value), 0) })
	if err != nil {
		s.Fatal(err)
	}
}

// reigns wants m to have announced all addresses together at the beginning of
// its latest reign, and to answer for them as soon: without duplicate address
// detection, which takes a second and more.
func (s *site) reigns(m *member) {
	s.Helper()
	s.advertises(m, 1)
	frames := s.capture.Frames()
	all := frames.Reigns(vrid)
	began := all[len(all)-1].First
	second := frames.Where(testenv.IsAdvert(vrid), testenv.From(m.link), testenv.After(began))[0].At
	for _, address := range s.vips {
		said := frames.Where(testenv.From(m.link), testenv.Announces(address), testenv.After(began))
		if len(said) == 0 || said[0].At.After(second) {
			s.Errorf("%s did not announce %s between its first two advertisements: %v", m.name, address, said)
		}
		unanswered := 0
		for _, q := range s.owners.probes[address].Result() {
			if q.At.After(began) {
				if len(q.Answered) > 0 {
					break
				}
				unanswered++
			}
		}
		if most := 400 * time.Millisecond / arpPace; unanswered > int(most) {
			s.Errorf("nobody answered %d requests for %s at the beginning of the reign of %s", unanswered, address, m.name)
		}
	}
}

// ngha is killed, and nginx with it: the kernel takes every address away.
func TestNghaKilledWithIPv6(t *testing.T) {
	for name, vips := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite6(t, vips, testenv.Node{}, testenv.Node{})
			s.owners.during("ngha was killed", leaseOverlap(s.interval, 150), func() {
				s.a.Kill()
				s.settlesOn(s.b)
			})
			s.reigns(s.b)
			s.listened(s.a, s.failsBack("now", s.a.Start))
			s.reigns(s.a)
		})
	}
}

// nginx dies for good.
func TestNginxDiesWithIPv6(t *testing.T) {
	for name, vips := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite6(t, vips, testenv.Node{Config: "nginx: {restarts: 60}\n"}, testenv.Node{})
			s.owners.during("a hands over", s.soon(), func() {
				s.breakNginx(s.a)
				s.settlesOn(s.b)
			})
			s.reigns(s.b)
			s.a.AwaitHealth("ill")
			s.failsBack("now", func() {
				s.a.Configure("")
				if out, err := s.a.CLI("reload"); err != nil {
					t.Errorf("ngha reload: %v\n%s", err, out)
				}
			})
		})
	}
}

// Peers are named by addresses of either kind.
func TestPeersOverIPv6(t *testing.T) {
	for name, network := range map[string]string{"global": "2001:db8::", "link-local": "fe80::"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLAN(t, 0)
			s.vips = []string{vip6, vip}
			a, b := s.host(), s.lan.Attach(s.lab.Host("b"), "198.51.100.2/24", "2001:db8::2/64")
			ofA, ofB := addressOf(a, network), addressOf(b, network)
			m := s.start(a, testenv.Node{Peers: []string{ofB}})
			s.settlesOn(m)
			s.start(b, testenv.Node{Peers: []string{ofA}})
			s.b.AwaitHealth("healthy")
			s.b.AwaitState("backup")
			s.b.AwaitStatus("a follower of "+ofA, func(now testenv.Status) error {
				if active := now.VirtualRouters[0].Active; active == nil || active.Address.String() != ofA {
					return fmt.Errorf("it follows %+v", active)
				}
				return nil
			})
			s.watch(s.vips...)
			s.remains(s.a, 3)
			s.owners.during("a hands over", s.soon(), func() {
				s.a.Process().Signal(15)
				s.settlesOn(s.b)
			})
			for _, f := range s.capture.Frames().Where(testenv.IsAdvert(vrid)) {
				from, to := ofA, ofB
				if f.Src.String() == b.MAC().String() {
					from, to = ofB, ofA
				}
				if f.IP.Src.String() != from || f.IP.Dst.String() != to {
					t.Fatalf("an advertisement goes from %s to %s, want %s and %s", f.IP.Src, f.IP.Dst, from, to)
				}
			}
		})
	}
}

// addressOf is the address of l's host that begins so, "" where there is none.
func addressOf(l *testenv.Link, prefix string) string {
	all, err := l.Host().Addresses()
	if err != nil {
		return err.Error()
	}
	for _, a := range all {
		if strings.HasPrefix(a.Addr().String(), prefix) {
			return a.Addr().String()
		}
	}
	return ""
}

// The node itself talks to others from its own address, though the virtual one
// is closer to them.
func TestVirtualIPv6AddressIsNoSource(t *testing.T) {
	t.Parallel()
	s := newSite6(t, []string{vip6}, testenv.Node{}, testenv.Node{})
	const near = "2001:db8::101"
	d := s.lab.Host("d")
	s.lan.Attach(d, near+"/64")
	s.lab.StartNginx(d, "location = /who { return 200 $remote_addr; }")
	client := s.a.Host().HTTPClient()
	defer client.CloseIdleConnections()
	s.lab.Await("an answer", limit, func() error {
		resp, err := client.Get("http://[" + near + "]/who")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		who, err := io.ReadAll(resp.Body)
		if string(who) != "2001:db8::1" {
			t.Errorf("a talks to %s from %s", near, who)
		}
		return err
	})
}

// Somebody switches IPv6 off where the Active has its address, and on again.
func TestIPv6IsDisabledAndEnabled(t *testing.T) {
	for name, vips := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite6(t, vips, testenv.Node{Interface: "eth0"}, testenv.Node{Interface: "eth0"})
			s.owners.during("a loses an address that b does not know of", 0, func() {
				s.sysctl(s.a, "disable_ipv6", "1")
				s.settlesOn(s.b)
			})
			if vips[0] == vip { // the election goes on over IPv4
				s.saidFarewell(s.a)
			}
			s.a.AwaitState("initialize")
			s.explains(s.a, "eth0", "IPv6 is disabled", "sysctl -w net/ipv6/conf/eth0/disable_ipv6=0")
			s.owners.during("a takes over from b", s.soon(), func() {
				s.sysctl(s.a, "disable_ipv6", "0")
				// The kernel makes the link-local address anew, and no other.
				if out, err := s.a.Run("ip", "address", "add", "2001:db8::1/64", "dev", "eth0"); err != nil {
					t.Fatal(err, out)
				}
				s.settlesOn(s.a)
			})
		})
	}
}
