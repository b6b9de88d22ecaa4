package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"ngha/testenv"
)

// Both sides have not the same addresses. ngha hears keepalived all the same,
// and names what is wrong. keepalived before 2.3.3 is deaf to ngha then; ngha
// cannot help that both are active.
func TestUnequalAddressesAreNamed(t *testing.T) {
	for _, release := range releases {
		for _, unicast := range []bool{false, true} {
			s := setting{version: 3, release: release, unicast: unicast, fewer: true}
			t.Run(s.String()+"/keepalived higher", func(t *testing.T) {
				t.Parallel()
				p := newPair(t, s, side{address: "198.51.100.1", priority: lower}, side{address: "198.51.100.2", priority: higher})
				p.keepalived.start()
				p.ngha.start()
				p.node.AwaitState("backup")
				p.named()
				for range 5 {
					p.nextAdvert(p.keepalived)
				}
				if status := p.node.AwaitState("backup"); status.VirtualRouters[0].Counters.BecameActive != 0 {
					t.Error("ngha became active beside a keepalived that is better")
				}
			})
			t.Run(s.String()+"/ngha higher", func(t *testing.T) {
				t.Parallel()
				p := newPair(t, s, side{address: "198.51.100.1", priority: higher}, side{address: "198.51.100.2", priority: lower})
				p.ngha.start()
				p.node.AwaitState("active")
				p.keepalived.start()
				if release == "" { // 2.2.7
					p.keepalived.host.AwaitHolds(vips[0])
					p.named()
				}
				for range 10 {
					p.nextAdvert(p.ngha)
				}
				p.holds(p.keepalived, vips[0], release == "")
				if status := p.node.AwaitState("active"); status.VirtualRouters[0].Counters.BecameActive != 1 {
					t.Errorf("ngha became active %d times, want once", status.VirtualRouters[0].Counters.BecameActive)
				}
			})
		}
	}
}

// named waits until ngha says that keepalived has not all of the addresses, what
// it has, and what that does to a keepalived before 2.3.3.
func (p *pair) named() {
	p.Helper()
	p.node.AwaitStatus("aware that keepalived has other addresses", func(s testenv.Status) error {
		for _, a := range s.VirtualRouters[0].Alarms {
			if a.Name == "other addresses" && a.Sender.String() == p.keepalived.address && !a.Discarded &&
				strings.Contains(a.What, "addresses "+vips[0]+", and this node") && strings.Contains(a.Cure, "2.3.3") {
				return nil
			}
		}
		return fmt.Errorf("it has alarms %+v", s.VirtualRouters[0].Alarms)
	})
}
