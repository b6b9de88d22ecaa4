package interop_test

import (
	"fmt"
	"testing"

	"ngha/testenv"
)

// checksum: rfc9568 is for strict gear. keepalived 2.2.7 knows the sum with the
// pseudo-header alone and is deaf to the other one; ngha hears both kinds.

// An ngha that does not speak needs no dialect.
func TestChecksumOfRFC9568HearsKeepalived(t *testing.T) {
	t.Parallel()
	p := newPair(t, setting{version: 3, checksum: "rfc9568"},
		side{address: "198.51.100.1", priority: lower}, side{address: "198.51.100.2", priority: higher})
	p.keepalived.start()
	p.ngha.start()
	p.settlesOn(p.keepalived, 5)
	p.checkStatus()

	p.keepalived.end()
	p.settlesOn(p.ngha, 2)
	p.speaks(p.ngha, testenv.ChecksumMessage)
	p.speaks(p.keepalived, testenv.ChecksumPseudoHeader)

	p.keepalived.start()
	p.settlesOn(p.keepalived, 3)
}

// keepalived does not hear ngha and takes the addresses too. ngha, which hears
// it, keeps its role, says why there are two, and is there when the other goes.
func TestChecksumOfRFC9568MakesKeepalivedDeaf(t *testing.T) {
	t.Parallel()
	p := newPair(t, setting{version: 3, checksum: "rfc9568"},
		side{address: "198.51.100.1", priority: higher}, side{address: "198.51.100.2", priority: lower})
	p.ngha.start()
	p.settlesOn(p.ngha, 1)
	p.keepalived.start()
	for _, vip := range vips {
		p.keepalived.host.AwaitHolds(vip)
	}
	p.speaks(p.ngha, testenv.ChecksumMessage)
	p.speaks(p.keepalived, testenv.ChecksumPseudoHeader)
	before := p.contradicted(1)
	after := p.contradicted(before.Counters.Contradictions + 5)
	if after.State != "active" || after.Counters.BecameActive != 1 || len(after.Counters.Discarded) > 0 {
		t.Errorf("ngha, which keepalived contradicts, is %s, became active %d times and discarded %v",
			after.State, after.Counters.BecameActive, after.Counters.Discarded)
	}
	for _, vip := range vips {
		p.holds(p.ngha, vip, true)
		p.holds(p.keepalived, vip, true)
	}
	p.keepalived.end()
	p.settlesOn(p.ngha, 3)
}

// contradicted waits until ngha has heard so many advertisements of the other
// claimant.
func (p *pair) contradicted(times uint64) testenv.VirtualRouterStatus {
	p.Helper()
	s := p.node.AwaitStatus(fmt.Sprintf("contradicted %d times", times), func(s testenv.Status) error {
		if n := s.VirtualRouters[0].Counters.Contradictions; n < times {
			return fmt.Errorf("it was %d times", n)
		}
		return nil
	})
	return s.VirtualRouters[0]
}

// speaks wants every advertisement of x to have that checksum.
func (p *pair) speaks(x *side, want testenv.Checksum) {
	p.Helper()
	sent := p.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(x.link))
	if len(sent) == 0 {
		p.Errorf("%s said nothing", x.name)
	}
	for _, f := range sent {
		if f.Advert.Checksum != want {
			p.Errorf("%s sent %v, want the checksum to cover: %s", x.name, f, want)
			return
		}
	}
}
