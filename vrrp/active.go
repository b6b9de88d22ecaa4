package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

const (
	// renewPause is the least time between two renewals of the lease. Leases
	// are a second long at least, whatever the interval.
	renewPause = 250 * time.Millisecond
	// restorePause is the least time between two attempts to take back
	// addresses that somebody removes as often as they are installed.
	restorePause = 100 * time.Millisecond
	// lingerMax is how long at most an Active that shuts down goes on
	// answering for its successor.
	lingerMax = time.Second
	// handoverPause is how long it still answers after its successor has
	// spoken, an interval at most: the clients turn to the successor when they
	// hear its announcement, which follows its advertisement.
	handoverPause = 50 * time.Millisecond
)

// active is what an Active knows.
type active struct {
	since  time.Time // of the takeover
	cause  time.Time // what made a group's leader take over began then
	tie    time.Time // until when a group's follower leaves a tie to its leader
	advert time.Time // Adver_Timer

	trial    bool      // nothing is to be said before an Acquire has held
	lastSent time.Time // when the last advertisement left; zero: none has
	prevSent time.Time // the one before, in case the last one did not leave
	sendErr  error     // why the last one did not leave

	acquired  time.Time // the last Acquire
	restored  time.Time // the last one after AddressRemoved
	restore   time.Time // when the next one is due; zero: none
	announce  time.Time // the next Announce of the schedule
	rebuttal  rebuttal
	lingering time.Time  // until when it answers after Shutdown; zero: no Shutdown
	successor netip.Addr // who has taken over after Shutdown
}

// lingers reports whether the node has said Priority 0 and only answers until
// its successor has spoken.
func (a *active) lingers() bool { return !a.lingering.IsZero() }

// takeOver enters Active (RFC 9568 section 6.4.2). The advertisement comes first,
// so that another Active lets go before the addresses appear here. One that is
// heard serves until then, and what reaches it after that is lost: from one like
// that the addresses are taken over in the moment that it hears of it, unless this
// node could not speak the last time.
func (m *Machine) takeOver(now time.Time, reason string) {
	m.active = active{since: now, announce: nextAnnouncement(now, now), trial: m.retry.delay > 0 || m.alive(now) && !m.mute}
	if m.active.trial {
		m.acquire(now) // no other Active shall let go before this is known to hold
	}
	m.advertise(now)
	m.do(Announce{})
	m.enter(now, Active, reason)
}

// send says once what the node is.
func (m *Machine) send(now time.Time) {
	a := &m.active
	a.prevSent, a.lastSent, a.sendErr = a.lastSent, now, nil
	m.do(Send{Adv: m.advertisement(m.priority()), To: m.peers})
}

// sendRelease says that the node gives the addresses up.
func (m *Machine) sendRelease() {
	m.counters.PriorityZeroSent++
	m.do(Send{Adv: m.advertisement(PriorityRelease), To: m.peers})
}

// advertise sends, renews the lease if it is time, and restarts Adver_Timer.
func (m *Machine) advertise(now time.Time) {
	a := &m.active
	m.send(now)
	if a.acquired.IsZero() || now.Sub(a.acquired) >= renewPause {
		m.acquire(now)
	}
	a.advert = m.cfg.inPulse(now.Add(m.cfg.Interval))
}

// acquire installs the addresses or renews their lease.
func (m *Machine) acquire(now time.Time) {
	m.active.acquired = now
	m.do(Acquire{})
}

// stepAside leaves Active at once. The node has nothing to say: it either
// cannot speak, or has not been there and others speak by now.
func (m *Machine) stepAside(now time.Time, reason string) {
	m.do(Release{})
	if m.ended {
		m.enter(now, Initialize, reason)
		return
	}
	m.becomeBackup(now, reason)
}

// stepDown hands the addresses over with Priority 0.
func (m *Machine) stepDown(now time.Time, reason string) {
	m.sendRelease()
	m.stepAside(now, reason)
}

// linger begins an orderly end.
func (m *Machine) linger(now time.Time) {
	m.sendRelease()
	m.active.lingering = now.Add(min(m.cfg.Interval, lingerMax))
}

// succeeded notes the first successor that speaks.
func (m *Machine) succeeded(now time.Time, src netip.Addr) {
	a := &m.active
	if a.successor.IsValid() {
		return
	}
	a.successor = src
	a.lingering = earliest(a.lingering, now.Add(min(m.cfg.Interval, handoverPause)))
}

// lingered ends what linger began.
func (m *Machine) lingered(now time.Time) {
	if successor := m.active.successor; successor.IsValid() {
		m.stepAside(now, fmt.Sprintf("shut down: %s took over", successor))
		return
	}
	m.stepDown(now, "shut down: nobody took over")
}

// activeDeadline is Deadline in Active.
func (m *Machine) activeDeadline() time.Time {
	a := &m.active
	if a.lingers() {
		return a.lingering
	}
	return earliest(a.advert, a.announce, a.rebuttal.last, a.restore)
}

// wakeActive lets go when too long has passed since an advertisement left:
// by then others have taken over.
func (m *Machine) wakeActive(now time.Time) {
	a := &m.active
	silent := now.Sub(a.lastSent)
	switch {
	case silent <= 3*m.cfg.Interval:
	case a.sendErr != nil:
		m.stepAside(now, fmt.Sprintf("no advertisement left for %s: %v", short(silent), a.sendErr))
	default:
		m.stepAside(now, fmt.Sprintf("woke late: last advertisement left %s ago", short(silent)))
	}
}

// activeTimer handles Timer in Active.
func (m *Machine) activeTimer(now time.Time) {
	a := &m.active
	if a.lingers() {
		if due(a.lingering, now) {
			m.lingered(now)
		}
		return
	}
	if due(a.advert, now) {
		m.retry, a.trial, m.mute = retry{}, false, false // what was done one interval ago held
		m.advertise(now)
	}
	if due(a.restore, now) {
		m.takeBack(now)
	}
	if due(a.announce, now) || due(a.rebuttal.last, now) {
		m.do(Announce{})
	}
	if due(a.announce, now) {
		a.announce = nextAnnouncement(a.since, now)
	}
	a.rebuttal.expire(now)
}

// sendFailed handles SendFailed. Before the first advertisement left nothing
// has been claimed, and nothing is.
func (m *Machine) sendFailed(now time.Time, err error) {
	a := &m.active
	if m.state != Active || a.lingers() {
		return
	}
	a.lastSent, a.sendErr, m.mute = a.prevSent, err, true
	a.acquired = time.Time{} // it was left out
	if a.lastSent.IsZero() {
		if m.cfg.Grouped.Follows {
			m.retry.fail(now) // or its leader would claim and release again and again
		}
		m.stepAside(now, fmt.Sprintf("advertisement not sent: %v", err))
		return
	}
	m.wakeActive(now)
}

// acquireFailed handles AcquireFailed: who cannot hold the addresses gives
// them up and stays out of the election for a while.
func (m *Machine) acquireFailed(now time.Time, err error) {
	if m.state == Backup && m.cfg.Grouped.Follows {
		m.retry.fail(now) // it was a trial
	}
	if m.state != Active {
		return
	}
	reason := fmt.Sprintf("addresses not installed: %v", err)
	if m.active.lingers() {
		m.stepAside(now, reason)
		return
	}
	m.retry.fail(now)
	if m.active.trial {
		m.stepAside(now, reason) // nothing has been said
		return
	}
	m.stepDown(now, reason)
}

// addressRemoved handles AddressRemoved. A node whose last advertisement did
// not leave lets it be: its lease has run out, and rightly.
func (m *Machine) addressRemoved(now time.Time) {
	a := &m.active
	if m.state != Active || a.lingers() || a.sendErr != nil {
		return
	}
	if next := a.restored.Add(restorePause); !a.restored.IsZero() && now.Before(next) {
		a.restore = next
		return
	}
	m.takeBack(now)
}

// takeBack installs addresses that somebody else took away.
func (m *Machine) takeBack(now time.Time) {
	m.active.restored, m.active.restore = now, time.Time{}
	m.acquire(now)
	m.do(Announce{})
}

// activeStanding follows a change of standing in Active; was is the priority
// before.
func (m *Machine) activeStanding(now time.Time, was uint8) {
	mine := m.priority()
	switch {
	case m.active.lingers():
		if mine < was {
			m.stepAside(now, "shut down: "+m.standing.String())
		}
	case mine < was:
		m.stepDown(now, "stepped down: "+m.standing.String())
		if mine == PriorityLastResort {
			m.backup.wait = waitStepDown
		}
	case mine > was:
		m.send(now)
	}
}

// receivedActive handles a checked advertisement in Active (RFC 9568 section
// 6.4.3).
func (m *Machine) receivedActive(now time.Time, src netip.Addr, adv Advertisement) {
	switch {
	case m.active.lingers():
		if adv.Priority != PriorityRelease {
			m.succeeded(now, src)
		}
	case outranks(adv.Priority, src, m.priority(), m.source) && !m.tied(now, adv):
		m.yield(now, src, adv)
	default:
		m.contradicted(now, adv)
	}
}

// yield leaves the role to src. The farewell tells src that there was another
// Active: it announces itself anew, without which clients that learned this
// node's address would stay with it.
func (m *Machine) yield(now time.Time, src netip.Addr, adv Advertisement) {
	reason := fmt.Sprintf("%s has higher priority %d", src, adv.Priority)
	if adv.Priority == m.priority() {
		reason = fmt.Sprintf("%s has the same priority %d and a higher address", src, adv.Priority)
	}
	m.send(now)
	m.stepAside(now, reason)
	m.follow(now, src, adv)
}
