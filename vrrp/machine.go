package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// minLearned is the floor of an interval learned from an Active. A forged
// advertisement with a smaller one would leave a Backup on a hair trigger.
const minLearned = 10 * time.Millisecond

// Machine is the state machine of one virtual router (RFC 9568 section 6.4).
// It is a value of its inputs: it reads no clock, starts no goroutine, and
// does nothing but return what is to be done. It is not safe for concurrent
// use: one goroutine owns it.
type Machine struct {
	cfg   Config
	addrs []netip.Addr // those of cfg.Addrs that are advertised

	state  State
	since  time.Time
	reason string

	source   netip.Addr
	told     []netip.Addr // the peers of a Unicast virtual router, by PeersChanged
	peers    []netip.Addr // those of them that are not source
	standing Standing     // as last told
	verdict  Standing     // the last one that was not Pending
	ended    bool         // Shutdown was asked for; there is no way back
	retry    retry
	mute     bool // the last advertisement did not leave
	group    group

	// What only one state knows lives in that state's variable, which is
	// cleared when the state is left: no deadline outlives its state.
	backup backup
	active active

	counters Counters
	out      []Action // of the present Step
}

// NewMachine returns a Machine in Initialize. The error names each field of c
// that is out of range, its value, and what would be right.
func NewMachine(c Config) (*Machine, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	c.Addrs = slices.Clone(c.Addrs)
	return &Machine{cfg: c, addrs: c.advertised(), reason: "not started"}, nil
}

// Step takes one event and returns what is to be done about it, in order. now
// is monotonic and never goes back; it is the time of the event, and what is
// sent is taken to leave at it. The list belongs to the caller; the slices
// that its Sends refer to are shared and not to be written to.
//
// An event that means nothing in the present state yields no action.
func (m *Machine) Step(now time.Time, ev Event) []Action {
	m.out = nil
	m.wake(now)
	switch ev := ev.(type) {
	case Startup:
		m.startup(now, ev.Source.Unmap())
	case Shutdown:
		m.shutdown(now)
	case Fault:
		m.fault(now, ev.Reason)
	case Received:
		m.received(now, ev.Src.Unmap(), ev.Adv)
	case StandingChanged:
		m.standingChanged(now, ev.Standing)
	case PeersChanged:
		m.peersChanged(now, ev.Peers)
	case GroupChanged:
		m.groupChanged(now, ev.Others)
	case AddressRemoved:
		m.addressRemoved(now)
	case SendFailed:
		m.sendFailed(now, ev.Err)
	case AcquireFailed:
		m.acquireFailed(now, ev.Err)
	case Suspended:
		m.suspended(now)
	case Timer:
		m.timer(now)
	default:
		panic(fmt.Sprintf("vrrp: unknown event %T", ev))
	}
	out := m.out
	m.out = nil
	return out
}

// Deadline is when Timer has to be stepped next. The zero time means that
// there is nothing to wait for but other events.
func (m *Machine) Deadline() time.Time {
	switch m.state {
	case Backup:
		return m.backupDeadline()
	case Active:
		return m.activeDeadline()
	default:
		return time.Time{}
	}
}

// do appends actions to those of the present Step.
func (m *Machine) do(a ...Action) { m.out = append(m.out, a...) }

// enter changes the state, last of all: the actions before it have carried
// the change out.
func (m *Machine) enter(now time.Time, to State, reason string) {
	m.do(Transition{From: m.state, To: to, Reason: reason})
	switch {
	case to == Active:
		m.counters.BecameActive++
	case m.state == Active:
		m.counters.LeftActive++
		m.group.left = now
	}
	m.state, m.since, m.reason = to, now, reason
	if to != Backup {
		m.backup = backup{}
	}
	if to != Active {
		m.active = active{}
	}
}

// wake handles an event that comes so late that this node cannot have been
// running. Others have moved meanwhile, and what they said waits unread: the
// node must not act on what it knew before.
func (m *Machine) wake(now time.Time) {
	switch m.state {
	case Backup:
		m.wakeBackup(now)
	case Active:
		m.wakeActive(now)
	}
}

// startup handles Startup.
func (m *Machine) startup(now time.Time, source netip.Addr) {
	if m.ended || !source.IsValid() {
		return
	}
	m.source = source
	m.peers = m.others()
	if m.state == Initialize {
		m.becomeBackup(now, "started")
		m.group.joined, m.group.listened = now, false
	}
}

// fault handles Fault. What took the interface away may have left a way to the
// others, as where its address has changed: they need not wait for silence.
func (m *Machine) fault(now time.Time, reason string) {
	switch m.state {
	case Initialize:
		if !m.ended {
			m.reason = reason
		}
		return
	case Active:
		if !m.active.lingers() { // else it has been said
			m.sendRelease()
		}
		m.do(Release{})
	}
	m.enter(now, Initialize, reason)
}

// shutdown handles Shutdown.
func (m *Machine) shutdown(now time.Time) {
	const reason = "shut down"
	again := m.ended
	m.ended = true
	switch {
	case m.state == Initialize:
		m.reason = reason
	case m.state == Backup:
		m.enter(now, Initialize, reason)
	case again: // it lingers already
	case m.standing == Healthy:
		m.linger(now)
	default:
		m.sendRelease()
		m.do(Release{})
		m.enter(now, Initialize, reason)
	}
}

// suspended handles Suspended.
func (m *Machine) suspended(now time.Time) {
	const reason = "woke from suspend"
	switch m.state {
	case Backup:
		m.listenAgain(now)
	case Active:
		m.stepAside(now, reason)
	}
}

// timer handles Timer.
func (m *Machine) timer(now time.Time) {
	switch m.state {
	case Backup:
		m.backupTimer(now)
	case Active:
		m.activeTimer(now)
	}
}

// peersChanged handles PeersChanged. A peer that just became known has not
// heard this node yet.
func (m *Machine) peersChanged(now time.Time, peers []netip.Addr) {
	if !m.cfg.Unicast {
		return
	}
	m.told = nil
	for _, p := range peers {
		m.told = append(m.told, p.Unmap())
	}
	before := m.peers
	m.peers = m.others()
	gained := slices.ContainsFunc(m.peers, func(p netip.Addr) bool { return !slices.Contains(before, p) })
	if gained && m.state == Active && !m.active.lingers() {
		m.send(now)
	}
}

// others are the peers but for this node, which may be named with them: that
// it hears itself does not mean that it can speak.
func (m *Machine) others() (list []netip.Addr) {
	for _, p := range m.told {
		if p != m.source {
			list = append(list, p)
		}
	}
	return list
}

// Status returns a copy of what there is to know about m.
func (m *Machine) Status() Status {
	s := Status{
		VRID:     m.cfg.VRID,
		State:    m.state,
		Since:    m.since,
		Reason:   m.reason,
		Standing: m.standing,
		Priority: m.priority(),
		Held:     m.held(),
		Counters: m.counters,
	}
	switch m.state {
	case Backup:
		s.Active = m.backup.heard.peer
	case Active:
		s.Active = Peer{m.source, m.priority()}
	}
	return s
}
