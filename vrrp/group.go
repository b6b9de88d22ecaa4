package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// Group makes virtual routers of one node move together, such as the two sides
// of a gateway. One of them, the leader, the same one on all nodes, is elected
// as ever; the others follow it:
//
//   - Where the leader becomes Active, the others do at once.
//   - Where one of them is no longer Active, or cannot be, none of them is: each
//     hands over with Priority 0.
//   - The leader does not take over while another one cannot, or hears an Active
//     that does better.
//   - A Priority 0 that one of them hears counts for the leader.
//
// Nobody decides for all. Each machine is told how the others are and decides
// for itself, so that no two of them wait for each other.
type Group struct {
	Name    string // "": none
	Member  string // what reasons call this virtual router
	Follows bool   // it is not the leader
}

// Member is what the others of a Group know of one. Two that are equal tell the
// same, but for HeardAt, which moves on with every advertisement.
type Member struct {
	Name   string
	State  State
	Ending bool   // Shutdown was asked for: what it does means nothing any more
	Unfit  string // why it could not be Active here; "": it could

	Since time.Time // of the reign of an Active
	Cause time.Time // when the silence began, or what else made it take over
	Left  time.Time // when it was last no longer Active; zero: never was

	Heard    Peer      // an Active as good as this node or better, that is not overdue; zero: none
	HeardAt  time.Time // when it spoke last
	Released time.Time // when a Priority 0 was heard, after which nobody spoke; zero: none was
	By       netip.Addr
}

// group is what a Machine knows of its group.
type group struct {
	others   []Member  // the leader, or, for it, the others
	joined   time.Time // when this one came out of Initialize
	listened bool      // ... an Active_Down_Interval ago
	left     time.Time // when it last left Active
	released time.Time // as in Member
	by       netip.Addr
}

// grouped reports whether m is in a group and takes part in it.
func (m *Machine) grouped() bool { return m.cfg.Grouped.Name != "" && !m.ended }

// Member returns what the others of m's group should be told.
func (m *Machine) Member() Member {
	g := &m.group
	me := Member{Name: m.cfg.Grouped.Member, State: m.state, Ending: m.ended, Unfit: m.unfit(), Left: g.left, Released: g.released, By: g.by}
	switch m.state {
	case Active:
		me.Since, me.Cause = m.active.since, m.active.cause
	case Backup:
		if h := &m.backup.heard; !h.at.IsZero() && h.peer.Priority >= m.priority() {
			me.Heard, me.HeardAt = h.peer, h.at
		}
	}
	return me
}

// fit is when a member of a group that has just come up has listened as long
// as any virtual router does before it takes over; zero when it has.
func (m *Machine) fit() time.Time {
	if !m.grouped() || m.group.listened {
		return time.Time{}
	}
	return m.group.joined.Add(ActiveDownInterval(m.cfg.Version, m.priority(), m.cfg.Interval))
}

// unfit is why this member could not be Active, or "".
func (m *Machine) unfit() string {
	switch {
	case m.state == Active:
		return ""
	case m.state == Initialize || m.retry.waiting():
		return m.reason
	case !m.electable():
		return "it is " + m.standing.String()
	case !m.group.listened:
		return "it has just come up"
	}
	return ""
}

// takeOverWithGroup takes over for what began at cause, unless the group has
// something against it.
func (m *Machine) takeOverWithGroup(now, cause time.Time, reason string) {
	if m.backup.held = m.objection(cause); m.backup.held != "" {
		return
	}
	m.takeOver(now, reason)
	m.active.cause = cause
}

// objection is what the others have against a takeover, or a reign, for what
// began at cause; "": nothing.
func (m *Machine) objection(cause time.Time) string {
	if !m.grouped() {
		return ""
	}
	for _, o := range m.group.others {
		switch {
		case o.Ending:
		case o.Unfit != "":
			return m.blame(o, ": "+o.Unfit)
		case o.HeardAt.After(cause):
			return m.blame(o, " hears "+o.Heard.isActive())
		}
	}
	return ""
}

// blame is the reason why m does what another one makes it do.
func (m *Machine) blame(o Member, what string) string {
	return fmt.Sprintf("group %s: %s%s", m.cfg.Grouped.Name, o.Name, what)
}

// isActive says of an Active who it is.
func (p Peer) isActive() string { return fmt.Sprintf("%s with priority %d", p.Addr, p.Priority) }

// groupChanged handles GroupChanged.
func (m *Machine) groupChanged(now time.Time, others []Member) {
	m.group.others = others
	switch {
	case !m.grouped() || m.state == Initialize:
	case m.cfg.Grouped.Follows:
		for _, leader := range others {
			m.followLeader(now, leader)
		}
	case m.state == Backup:
		m.leadBackup(now)
	default:
		m.leadActive(now)
	}
}

// leadBackup is a leader's part of groupChanged in Backup.
func (m *Machine) leadBackup(now time.Time) {
	for _, o := range m.group.others {
		if o.Released.After(m.since) && o.Released.After(m.backup.heard.at) {
			m.hasten(o.Released, waitReleased, o.By)
		}
	}
	m.backup.held = ""
	m.claim(now)
}

// leadActive is a leader's part of groupChanged in Active.
func (m *Machine) leadActive(now time.Time) {
	a := &m.active
	why := m.objection(a.cause)
	for _, o := range m.group.others {
		if why == "" && !o.Ending && o.Left.After(a.since) {
			why = m.blame(o, " is no longer active")
		}
	}
	if why != "" {
		m.stepDown(now, why)
	}
}

// followLeader is a follower's part of groupChanged.
func (m *Machine) followLeader(now time.Time, leader Member) {
	switch {
	case leader.Ending:
	case m.state == Active && leader.State != Active:
		m.stepDown(now, m.blame(leader, " is no longer active"))
	case m.state == Backup && leader.State == Active && m.unfit() == "" &&
		!m.group.left.After(leader.Since) && !m.Member().HeardAt.After(leader.Cause):
		m.takeOver(now, m.blame(leader, " is active"))
	}
}

// tied reports whether a follower leaves a tie undecided: it is the leaders'
// addresses that break it, unless they do not hear each other.
func (m *Machine) tied(now time.Time, adv Advertisement) bool {
	if !m.grouped() || !m.cfg.Grouped.Follows || adv.Priority != m.priority() {
		return false
	}
	a := &m.active
	if grace := m.cfg.Interval; now.Sub(a.tie) > 4*grace {
		a.tie = now.Add(grace)
	}
	return now.Before(a.tie)
}

// held is Status.Held.
func (m *Machine) held() string {
	switch {
	case m.state != Backup || !m.grouped():
		return ""
	case !m.cfg.Grouped.Follows:
		return m.backup.held
	case !m.backup.heard.at.IsZero() || m.unfit() != "":
		return ""
	}
	for _, leader := range m.group.others {
		switch {
		case leader.Ending:
		case leader.Unfit != "":
			return m.blame(leader, ": "+leader.Unfit)
		case leader.Heard != (Peer{}):
			return m.blame(leader, " hears "+leader.Heard.isActive()+", and nobody is heard here")
		}
	}
	return ""
}
