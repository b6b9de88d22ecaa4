package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/mdlayher/arp"
)

// mac is an Ethernet address. Zero: there is none.
type mac [6]byte

// arpLen is the length of an ARP packet of Ethernet and IPv4 (RFC 826).
const arpLen = 28

var everyone = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// answers tells whether b is an ARP reply by which somebody says to have addr.
func answers(b []byte, addr netip.Addr) bool {
	var p arp.Packet
	return p.UnmarshalBinary(b) == nil && p.Operation == arp.OperationReply && p.SenderIP == addr
}

// shout asks everyone on the interface's LAN who has target.
func (s *socket) shout(index int, from mac, sender netip.Addr, to mac, target netip.Addr) error {
	p, err := arp.NewPacket(arp.OperationRequest, from[:], sender, to[:], target)
	if err != nil {
		return err
	}
	b, err := p.MarshalBinary()
	if err != nil {
		return err
	}
	return send(s, b, toLink(index, etherARP, everyone))
}

// Probe asks once by ARP who has addr, and returns nil when somebody answers
// before ctx ends. The interface is named, or empty: the one whose own network
// holds addr.
func Probe(ctx context.Context, name string, addr netip.Addr) error {
	if !addr.Is4() {
		return fmt.Errorf("arp %s: not an IPv4 address", addr)
	}
	t, err := list()
	if err != nil {
		return fmt.Errorf("arp %s: %w", addr, err)
	}
	l, from, err := asker(&t, name, addr)
	if err != nil {
		return fmt.Errorf("arp %s: %w", addr, err)
	}
	if err := ask(ctx, l, from, addr); err != nil {
		return fmt.Errorf("arp %s on %s: %w", addr, l.name, err)
	}
	return nil
}

// asker is the interface and the own address from which addr is asked for, if
// possible one of addr's network: others may get no answer.
func asker(t *table, name string, addr netip.Addr) (link, netip.Addr, error) {
	fits := t.fitting(addr)
	if name == "" {
		l, err := only(fits, addr)
		if err != nil {
			return link{}, netip.Addr{}, err
		}
		return l, fits[0].own.local.Addr(), nil
	}
	l, ok := t.byName(name)
	if !ok {
		return link{}, netip.Addr{}, fmt.Errorf("interface %s does not exist", name)
	}
	for _, f := range fits {
		if f.link.index == l.index {
			return l, f.own.local.Addr(), nil
		}
	}
	var own []address
	for _, a := range t.addrs {
		if !a.tagged {
			own = append(own, a)
		}
	}
	from, err := source(l, own)
	return l, from, err
}

// ask sends one request and waits for its answer.
func ask(ctx context.Context, l link, from, addr netip.Addr) error {
	if l.mac == (mac{}) {
		return errors.New("the interface has no Ethernet address")
	}
	s, err := openARP(l.index, true)
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(ctx, func() { s.file.SetReadDeadline(time.Unix(1, 0)) })()

	if err := s.shout(l.index, l.mac, from, mac{}, addr); err != nil {
		return err
	}
	var b [arpLen]byte // what follows is padding
	for {
		n, err := s.file.Read(b[:])
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("no answer: %w", context.Cause(ctx))
		case err != nil && !errors.Is(err, io.EOF): // an empty packet reads like an end
			return err
		case answers(b[:n], addr):
			return nil
		}
	}
}
