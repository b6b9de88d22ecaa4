package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"ngha/testenv"
)

// keepalived sends to IPv6 peers with hop limit 64 unless it is told to use
// 255. ngha takes that for what has crossed a router, and names the cure.
func TestHopLimitOfKeepalivedIsNamed(t *testing.T) {
	for _, release := range releases {
		s := setting{version: 3, ipv6: true, unicast: true, hops64: true, release: release}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, s, side{address: "198.51.100.1", priority: higher}, side{address: "198.51.100.2", priority: lower})
			p.keepalived.start()
			p.keepalived.host.AwaitHolds(vips6[0])
			p.ngha.start()
			p.node.AwaitStatus("aware of the hop limit", func(s testenv.Status) error {
				for _, a := range s.VirtualRouters[0].Alarms {
					if a.Name == "ttl" && a.Sender.String() == p.keepalived.address && a.Discarded &&
						strings.Contains(a.What, "TTL 64") && strings.Contains(a.Cure, "unicast_ttl 255") && strings.Contains(a.Cure, "allow_routed") {
						return nil
					}
				}
				return fmt.Errorf("it has alarms %+v", s.VirtualRouters[0].Alarms)
			})
			p.settlesOn(p.ngha, 3) // whom keepalived hears
		})
	}
}
