package interop_test

import (
	"errors"
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

// keepalived does not hear ngha and takes the addresses too. ngha hears it,
// keeps its role and counts the contradictions, though there are few: what
// keepalived refuses restarts its Adver_Timer, so that it seldom speaks.
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
	p.node.AwaitStatus("contradicted", func(s testenv.Status) error {
		if s.VirtualRouters[0].Counters.Contradictions == 0 {
			return errors.New("it was not")
		}
		return nil
	})
	for range 5 {
		p.nextAdvert(p.ngha)
	}
	for _, vip := range vips {
		p.holds(p.ngha, vip, true)
		p.holds(p.keepalived, vip, true)
	}
	p.speaks(p.ngha, testenv.ChecksumMessage)
	p.speaks(p.keepalived, testenv.ChecksumPseudoHeader)

	p.keepalived.end()
	p.settlesOn(p.ngha, 3)
	p.checkStatus()
	if s := p.node.AwaitState("active"); s.VirtualRouters[0].Counters.BecameActive != 1 {
		t.Errorf("ngha became active %d times, want once", s.VirtualRouters[0].Counters.BecameActive)
	}
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
