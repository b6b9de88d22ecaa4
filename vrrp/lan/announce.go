package lan

import (
	"errors"
	"fmt"
	"net/netip"
)

// What announcements are to Ethernet.
const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

// Announce tells the LAN that the virtual addresses are here, each by a
// gratuitous ARP (RFC 9568 section 8.1.2) or an unsolicited Neighbor
// Advertisement (section 8.2.2). The ARP has the form of a request, since Linux
// ignores the reply form for an entry younger than a second. An interface without
// Ethernet addresses needs none.
func (p *Port) Announce() error {
	if *p.mac.Load() == (mac{}) {
		return nil
	}
	router, err := p.routes()
	errs := []error{err}
	for _, a := range p.addrs {
		if err := p.announce(a.Addr(), router); err != nil {
			errs = append(errs, fmt.Errorf("announce %s on %s: %w", a.Addr(), p.name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Port) announce(a netip.Addr, router bool) error {
	index, from := p.home(a), p.hardware(a)
	if a.Is4() {
		return p.arp.shout(index, from, a, everyone, a)
	}
	b, err := claim(a, from, router)
	if err != nil {
		return err
	}
	return send(p.arp, b, toLink(index, etherIPv6, allNodesMAC))
}

// routes tells whether the interface forwards IPv6, and so whether what is said
// of its addresses is said of a router. It is asked anew each time: the kernel
// says so too, in its own answers, and goes by the setting of the moment.
func (p *Port) routes() (bool, error) {
	for _, a := range p.addrs {
		if a.Addr().Is6() {
			return p.requests.forwards(p.home(a.Addr()))
		}
	}
	return false, nil
}
