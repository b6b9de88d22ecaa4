package vrrp

import "time"

// announcements are the instants after a takeover at which it is announced
// again. A predecessor that died keeps its address until the lease ends, and
// its kernel answers for it as long.
var announcements = [...]time.Duration{
	500 * time.Millisecond,
	1000 * time.Millisecond,
	1500 * time.Millisecond,
	2000 * time.Millisecond,
	2500 * time.Millisecond,
	5000 * time.Millisecond,
}

// announceEvery is the pause between two announcements after those.
const announceEvery = time.Minute

// nextAnnouncement is the first instant after now at which a takeover at
// since is announced again. What was missed is not made up for.
func nextAnnouncement(since, now time.Time) time.Time {
	for _, d := range announcements {
		if at := since.Add(d); at.After(now) {
			return at
		}
	}
	last := since.Add(announcements[len(announcements)-1])
	n := now.Sub(last)/announceEvery + 1
	return last.Add(n * announceEvery)
}

// rebutPause is the time between two announcements that answer contradictions,
// on average: two may come together. The other side's own announcement, sent
// before it knew better, can move the clients after the first one; its farewell
// is then a second contradiction.
const rebutPause = time.Second

// rebuttal paces the answers to contradictions, so that a deaf or hostile
// peer does not turn the node into a flood.
type rebuttal struct {
	advert   time.Time // no advertisement in answer before this
	announce time.Time // those made so far suffice until then; one may be made ahead
	last     time.Time // when one more announcement is due; zero: none
}

// announced notes an announcement in answer.
func (r *rebuttal) announced(now time.Time) {
	if r.announce.Before(now) {
		r.announce = now
	}
	r.announce = r.announce.Add(rebutPause)
}

// expire notes that the announcement which closes a series was made.
func (r *rebuttal) expire(now time.Time) {
	if due(r.last, now) {
		r.last = time.Time{}
		r.announced(now)
	}
}

// contradicted answers another claimant that this node outranks: at once, so
// that it lets go (RFC 9568 section 6.4.3), and with an announcement, since its
// own has moved clients. After a Priority 0 Adver_Timer starts anew.
func (m *Machine) contradicted(now time.Time, adv Advertisement) {
	m.counters.Contradictions++
	r := &m.active.rebuttal
	if !now.Before(r.advert) {
		r.advert = now.Add(m.cfg.Interval)
		if adv.Priority == PriorityRelease {
			m.advertise(now)
		} else {
			m.send(now)
		}
	}
	if !now.Before(r.announce.Add(-rebutPause)) {
		r.announced(now)
		m.do(Announce{})
	}
	r.last = now.Add(rebutPause)
}
