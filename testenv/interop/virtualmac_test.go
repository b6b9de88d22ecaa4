package interop_test

import (
	"fmt"
	"testing"

	"ngha/testenv"
)

// TestVirtualMACIsTheSameWithKeepalived has the address move between an ngha
// with virtual_mac and a keepalived with use_vmac: the client finds it where it
// was, whichever of them it is at, and from the virtual MAC address comes what
// the one that has it says.
func TestVirtualMACIsTheSameWithKeepalived(t *testing.T) {
	t.Parallel()
	const virtualMAC = "00:00:5e:00:01:33"
	p := newPair(t, setting{version: 3, virtualMAC: true},
		side{address: "198.51.100.1", priority: higher}, side{address: "198.51.100.2", priority: lower})
	p.keepalived.start()
	found := func(x *side) {
		t.Helper()
		for _, vip := range vips {
			x.host.AwaitHolds(vip)
			p.other(x).host.AwaitGone(vip)
			p.lab.Await("the client to reach "+vip+" at "+x.name, limit, func() error {
				p.ask(vip)
				if mac := p.client.Neighbor(vip).String(); mac != virtualMAC {
					return fmt.Errorf("it has it at %s", mac)
				}
				return nil
			})
		}
		p.capture.Await("advertisements of "+x.name+" from the virtual MAC address", limit, testenv.IsAdvert(vrid), func(f testenv.Frame) bool {
			return f.Src.String() == virtualMAC && f.IP.Src.String() == x.address
		})
	}
	found(p.keepalived)
	p.ngha.start() // the better one
	found(p.ngha)
	p.ngha.end()
	found(p.keepalived)
}

// TestBetterKeepalivedTakesTheVirtualMAC from an ngha that is active: what it says
// comes from the MAC address that ngha has itself.
func TestBetterKeepalivedTakesTheVirtualMAC(t *testing.T) {
	t.Parallel()
	p := newPair(t, setting{version: 3, virtualMAC: true},
		side{address: "198.51.100.1", priority: lower}, side{address: "198.51.100.2", priority: higher})
	p.ngha.start()
	for _, vip := range vips {
		p.ngha.host.AwaitHolds(vip)
	}
	p.keepalived.start()
	for _, vip := range vips {
		p.keepalived.host.AwaitHolds(vip)
		p.ngha.host.AwaitGone(vip)
	}
}
