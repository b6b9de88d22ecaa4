package vrrp

import (
	"net/netip"
	"time"
)

// priority is what the node takes part with. While its health is not known
// that is what the last verdict allowed.
func (m *Machine) priority() uint8 {
	switch {
	case m.verdict == Out || m.retry.waiting():
		return PriorityRelease
	case m.verdict == LastResort:
		return PriorityLastResort
	default:
		return m.cfg.Priority
	}
}

// electable reports whether the node may take over.
func (m *Machine) electable() bool {
	return m.standing != Pending && m.priority() != PriorityRelease
}

// healthy reports whether the node takes part at its full priority.
func (m *Machine) healthy() bool { return m.standing == Healthy && !m.retry.waiting() }

// standingChanged handles StandingChanged.
func (m *Machine) standingChanged(now time.Time, s Standing) {
	if s == m.standing {
		return
	}
	was := m.priority()
	m.standing = s
	if s != Pending {
		m.verdict = s
	}
	switch m.state {
	case Backup:
		m.backupStanding(now)
	case Active:
		m.activeStanding(now, was)
	}
}

// advertisement is what the node says about itself at the given priority.
func (m *Machine) advertisement(priority uint8) Advertisement {
	return Advertisement{
		Version:  m.cfg.Version,
		VRID:     m.cfg.VRID,
		Priority: priority,
		Interval: m.cfg.Interval,
		Addrs:    m.addrs,
		Auth:     m.cfg.Password.authType(),
		Password: m.cfg.Password,
	}
}

// The pauses between attempts to install addresses.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// retry keeps a node out of the election after its addresses could not be
// installed, longer after each failure in a row.
type retry struct {
	delay time.Duration // the last one; zero: the addresses could be installed
	until time.Time     // zero: not kept out
}

// waiting reports whether the node is kept out.
func (r *retry) waiting() bool { return !r.until.IsZero() }

// fail notes a failure.
func (r *retry) fail(now time.Time) {
	r.delay = min(max(2*r.delay, firstRetry), lastRetry)
	r.until = now.Add(r.delay)
}

// outranks reports whether a node that advertises p from addr wins against
// one that advertises q from other. The greater address breaks ties (RFC 9568
// section 6.4.3).
func outranks(p uint8, addr netip.Addr, q uint8, other netip.Addr) bool {
	if p != q {
		return p > q
	}
	return addr.Compare(other) > 0
}
