package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// received handles Received. An advertisement that fails a check touches
// nothing but a counter: whoever sends rubbish has no say in any timer.
func (m *Machine) received(now time.Time, src netip.Addr, adv Advertisement) {
	if m.state == Initialize {
		return
	}
	if reason, ok := m.check(src, adv); !ok {
		m.counters.Discarded[reason]++
		m.do(Discard{Src: src, Reason: reason})
		return
	}
	m.count(adv)
	if m.state == Backup {
		m.receivedBackup(now, src, adv)
	} else {
		m.receivedActive(now, src, adv)
	}
}

// check does the checks of RFC 9568 section 7.1 and RFC 3768 section 7.1 that
// depend on the configuration. What is no reason to discard but to tell a
// person, an unequal list of addresses above all, is found by Doubts.
func (m *Machine) check(src netip.Addr, adv Advertisement) (Reason, bool) {
	switch {
	case adv.VRID != m.cfg.VRID:
		return ReasonVRID, false
	case src.BitLen() != m.source.BitLen():
		return ReasonFamily, false
	case src == m.source:
		return ReasonOwnAddress, false
	case adv.Version != m.cfg.Version:
		return ReasonVersion, false
	case adv.Auth != m.cfg.Password.authType():
		return ReasonAuth, false
	case !adv.Password.equals(m.cfg.Password):
		return ReasonPassword, false
	case adv.Version == V2 && adv.Interval != m.cfg.Interval:
		return ReasonInterval, false
	case m.cfg.Unicast && !slices.Contains(m.peers, src):
		return ReasonUnknownPeer, false
	}
	return 0, true
}

// count counts an advertisement that passed.
func (m *Machine) count(adv Advertisement) {
	c := &m.counters
	c.Received++
	if adv.Priority == PriorityRelease {
		c.PriorityZeroReceived++
	}
	switch {
	case adv.Version != V3:
	case adv.Checksum == PseudoHeader:
		c.PseudoHeader++
	default:
		c.MessageOnly++
	}
}
