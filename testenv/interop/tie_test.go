package interop_test

import (
	"fmt"
	"net"
	"testing"
)

// TestEqualPrioritiesAreSettledByAddress parts two sides of one priority, so
// that both are Active, and joins them again: the higher address keeps the role
// (RFC 9568 and RFC 3768, section 6.4.3 of both), and clients find it.
func TestEqualPrioritiesAreSettledByAddress(t *testing.T) {
	for _, s := range []setting{{version: 2}, {version: 3}, {version: 3, ipv6: true}} {
		for _, winner := range []string{"ngha", "keepalived"} {
			t.Run(fmt.Sprintf("%s/%s wins", s, winner), func(t *testing.T) {
				t.Parallel()
				// Compared as text, .3 would be more than .20.
				ngha, keepalived := side{address: "198.51.100.20", priority: lower}, side{address: "198.51.100.3", priority: lower}
				if winner == "keepalived" {
					ngha.address, keepalived.address = keepalived.address, ngha.address
				}
				p := newPair(t, s, ngha, keepalived)
				winner := map[string]*side{"ngha": p.ngha, "keepalived": p.keepalived}[winner]
				p.part()
				p.lan.Heal()
				p.settlesOn(winner, 3)
				p.found(winner)
			})
		}
	}
}

// part starts both sides deaf for each other and returns when both have the
// addresses.
func (p *pair) part() {
	p.Helper()
	p.lan.LoseVRRP(p.ngha.host, p.keepalived.host, 100)
	p.lan.LoseVRRP(p.keepalived.host, p.ngha.host, 100)
	p.ngha.start()
	p.keepalived.start()
	for _, vip := range p.all() {
		p.ngha.host.AwaitHolds(vip)
		p.keepalived.host.AwaitHolds(vip)
	}
	for _, vip := range p.all() { // whoever of the two is believed now
		p.ask(vip)
	}
}

// found waits until the client has every address at x.
func (p *pair) found(x *side) {
	p.Helper()
	for _, vip := range p.all() {
		p.lab.Await(fmt.Sprintf("the client to find %s at %s", vip, x.name), limit, func() error {
			p.ask(vip)
			if got := p.client.Neighbor(vip); got.String() != x.link.MAC().String() {
				return fmt.Errorf("it has it at %s", p.lab.Owner(got))
			}
			return nil
		})
	}
}

// ask makes the client resolve the address. Whether anybody listens there does
// not matter.
func (p *pair) ask(vip string) {
	p.Helper()
	conn, err := p.client.Dial(p.Context(), net.JoinHostPort(vip, "80"))
	if err == nil {
		conn.Close()
	}
}
