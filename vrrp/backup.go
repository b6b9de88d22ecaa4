package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// backup is what a Backup knows.
type backup struct {
	// since and wait make the Active_Down_Timer. They are kept instead of the
	// instant when it fires, which depends on the priority of the moment.
	since time.Time
	wait  wait
	by    netip.Addr // whose advertisement shortened the wait
	anew  bool       // it began anew since its end came late, and nobody was heard since

	adver    time.Duration // Active_Adver_Interval
	failback time.Time     // zero: not running
	heard    heard         // the Active
	held     string        // why the group does not let this node take over; "": it was not asked
}

// wait is how long a Backup listens before it takes over.
type wait uint8

const (
	waitFull       wait = iota // Active_Down_Interval
	waitReleased               // Skew_Time, after a Priority 0
	waitLastResort             // Skew_Time, since the Active is at last resort
	waitStepDown               // two intervals, for others to take over from this node
)

// heard is the Active as its last advertisement shows it.
type heard struct {
	peer  Peer // zero: nobody
	at    time.Time
	adver time.Duration
}

// becomeBackup enters Backup and starts to listen.
func (m *Machine) becomeBackup(now time.Time, reason string) {
	m.enter(now, Backup, reason)
	m.backup = backup{since: now, adver: m.cfg.Interval}
}

// listenAgain starts Active_Down_Timer anew, in full, and forgets what may no
// longer be so. The interval last learned is kept: it is the best guess.
func (m *Machine) listenAgain(now time.Time) {
	m.backup = backup{since: now, adver: m.backup.adver}
}

// waitEnd is when w is over if it began at since.
func (m *Machine) waitEnd(w wait, since time.Time) time.Time {
	switch w {
	case waitReleased, waitLastResort:
		return since.Add(SkewTime(m.cfg.Version, m.priority(), m.backup.adver))
	case waitStepDown:
		return since.Add(2 * m.cfg.Interval)
	default:
		return since.Add(ActiveDownInterval(m.cfg.Version, m.priority(), m.backup.adver))
	}
}

// down is when the node takes over unless it hears something; zero while it
// may not.
func (m *Machine) down() time.Time {
	if !m.electable() || m.cfg.Grouped.Follows {
		return time.Time{}
	}
	return m.waitEnd(m.backup.wait, m.backup.since)
}

// heardUntil is when the Active heard last will be overdue; zero when there
// is none.
func (m *Machine) heardUntil() time.Time {
	h := &m.backup.heard
	if h.at.IsZero() {
		return time.Time{}
	}
	return h.at.Add(ActiveDownInterval(m.cfg.Version, m.priority(), h.adver))
}

// alive reports whether an Active is known that is not overdue.
func (m *Machine) alive(now time.Time) bool {
	until := m.heardUntil()
	return !until.IsZero() && now.Before(until)
}

// listening is the earliest instant at which the silence so far means
// something: a takeover or, for a node that may not, that nobody is Active.
func (m *Machine) listening() time.Time {
	if m.electable() && !m.cfg.Grouped.Follows && m.backup.held == "" {
		return earliest(m.down(), m.backup.failback)
	}
	return m.heardUntil()
}

// backupDeadline is Deadline in Backup.
func (m *Machine) backupDeadline() time.Time {
	return earliest(m.listening(), m.retry.until, m.fit())
}

// wakeBackup starts to listen anew when nobody served the deadline in time:
// what a living Active said meanwhile may wait unread. Once is enough: a node
// that is always late has to take over from a dead one, too. From one that has
// asked to be relieved it does, unless others must have done so by now.
func (m *Machine) wakeBackup(now time.Time) {
	b := &m.backup
	tolerable := b.adver
	if b.wait == waitReleased || b.wait == waitLastResort {
		tolerable = ActiveDownInterval(m.cfg.Version, m.priority(), b.adver)
	}
	if d := m.listening(); !b.anew && !d.IsZero() && now.Sub(d) > tolerable {
		m.listenAgain(now)
		b.anew = true
	}
}

// backupTimer handles Timer in Backup.
func (m *Machine) backupTimer(now time.Time) {
	b := &m.backup
	if due(m.retry.until, now) {
		m.retry.until = time.Time{}
		b.since, b.wait = now, waitFull
		if m.cfg.Grouped.Follows { // its leader shall not claim anything before this is known to hold
			m.do(Acquire{}, Release{})
		}
	}
	m.group.listened = m.group.listened || due(m.fit(), now)
	if b.held == "" {
		m.claim(now)
	}
	if m.state == Backup && due(m.heardUntil(), now) {
		b.heard = heard{}
	}
}

// claim takes over if it is time to and the group, if there is one, lets it.
func (m *Machine) claim(now time.Time) {
	b := &m.backup
	switch {
	case m.cfg.Grouped.Follows: // its leader does, for all
	case due(m.down(), now):
		m.takeOverWithGroup(now, b.since, m.whyDown(now))
	case due(b.failback, now):
		began := b.failback.Add(-m.cfg.Failback.After)
		m.takeOverWithGroup(now, began, fmt.Sprintf("failback %s: %s", m.cfg.Failback, b.heard.peer.isLower()))
	}
}

// whyDown puts into words why Active_Down_Timer fired.
func (m *Machine) whyDown(now time.Time) string {
	b := &m.backup
	waited := short(now.Sub(b.since))
	switch b.wait {
	case waitReleased:
		return fmt.Sprintf("peer %s released (priority 0)", b.by)
	case waitLastResort:
		return fmt.Sprintf("peer %s is at last resort (priority 1)", b.by)
	case waitStepDown:
		return fmt.Sprintf("nobody took over for %s", waited)
	}
	if m.alive(now) {
		return b.heard.peer.isLower()
	}
	return fmt.Sprintf("no advertisement for %s", waited)
}

// isLower is the reason of a takeover from p.
func (p Peer) isLower() string { return fmt.Sprintf("%s has lower priority %d", p.Addr, p.Priority) }

// receivedBackup handles a checked advertisement in Backup (RFC 9568 section
// 6.4.2).
func (m *Machine) receivedBackup(now time.Time, src netip.Addr, adv Advertisement) {
	m.backup.anew = false
	switch {
	case adv.Priority == PriorityRelease:
		m.heardRelease(now, src)
	case adv.Priority == PriorityLastResort && m.healthy():
		if m.hear(now, src, adv) {
			m.hasten(now, waitLastResort, src)
		}
	case adv.Priority < m.priority() && m.cfg.Failback == Failback{}:
		m.hear(now, src, adv)
	default:
		m.follow(now, src, adv)
	}
}

// heardRelease handles Priority 0.
func (m *Machine) heardRelease(now time.Time, src netip.Addr) {
	b := &m.backup
	if b.heard.peer.Addr == src {
		b.heard, b.failback = heard{}, time.Time{}
	}
	if b.heard.at.IsZero() { // nobody else is Active: it counts for a group as a whole
		m.group.released, m.group.by = now, src
	}
	m.hasten(now, waitReleased, src)
}

// hasten shortens the wait to w from since on, if that is shorter: an
// advertisement that comes again and again must not put the takeover off.
func (m *Machine) hasten(since time.Time, w wait, by netip.Addr) {
	b := &m.backup
	if m.waitEnd(w, since).Before(m.waitEnd(b.wait, b.since)) {
		b.since, b.wait, b.by, b.held = since, w, by, ""
	}
}

// hear remembers src as the Active and reports whether it is. Of two that
// claim to be it, it is the one that will win.
func (m *Machine) hear(now time.Time, src netip.Addr, adv Advertisement) bool {
	h := &m.backup.heard
	if h.peer.Addr != src && m.alive(now) && outranks(h.peer.Priority, h.peer.Addr, adv.Priority, src) {
		return false
	}
	*h = heard{Peer{src, adv.Priority}, now, learned(adv)}
	m.group.released = time.Time{}
	return true
}

// learned is the interval of an advertisement as this node goes by it.
func learned(adv Advertisement) time.Duration { return max(adv.Interval, minLearned) }

// follow accepts src as the Active: it restarts Active_Down_Timer with the
// interval that src uses. Under VRRPv2 that is this node's own.
func (m *Machine) follow(now time.Time, src netip.Addr, adv Advertisement) {
	m.hear(now, src, adv)
	b := &m.backup
	b.since, b.wait, b.adver, b.held = now, waitFull, learned(adv), ""
	switch after := m.cfg.Failback.After; {
	case adv.Priority >= m.priority():
		b.failback = time.Time{}
	case after > 0 && m.healthy() && b.failback.IsZero():
		b.failback = now.Add(after)
	}
}

// backupStanding follows a change of standing in Backup. The time listened so
// far counts, whatever the standing was.
func (m *Machine) backupStanding(now time.Time) {
	b := &m.backup
	switch {
	case !m.healthy():
		b.failback = time.Time{}
		// An Active that was lower until now is one to follow, as of when it
		// spoke last.
		if h := b.heard; !h.at.IsZero() && h.peer.Priority >= m.priority() {
			b.since, b.wait, b.adver = h.at, waitFull, h.adver
		}
	case m.alive(now) && b.heard.peer.Priority == PriorityLastResort:
		b.since, b.wait, b.by = now, waitLastResort, b.heard.peer.Addr
	}
	b.held = ""
	m.claim(now)
}

// short formats d as a person would say it.
func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
