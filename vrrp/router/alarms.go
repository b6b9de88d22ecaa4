package router

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"ngha/vrrp"
)

// Alarm is something that is wrong on the LAN, as advertisements for this
// virtual router show it.
type Alarm struct {
	Src    netip.Addr // who sends them; the zero one: several more, one of whom What is about
	Reason vrrp.Reason
	What   string // what Src does, to be read behind its address
	Cure   string
	Since  time.Time
	Until  time.Time // when it is over, unless it goes on meanwhile
	Count  uint64    // of advertisements since Since
}

func (a Alarm) sender() string {
	if !a.Src.IsValid() {
		return "others"
	}
	return a.Src.String()
}

const (
	// maxSenders is how many senders have an alarm of their own for a reason.
	// Those beyond share one: a flood from forged addresses costs no memory.
	maxSenders = 4
	// alarmShort is how long an alarm stays at least when it does not go on.
	alarmShort = 5 * time.Second
	// alarmIntervals is for how many intervals it stays, of this node or of the
	// sender, whichever is longer.
	alarmIntervals = 4
	// alarmLog is the time between two lines about one alarm, be it that it
	// goes on or that it comes back.
	alarmLog = time.Minute
	// alarmShow is for how long what is shown of an alarm may be out of date.
	alarmShow = time.Second
)

// alarms is the memory of what is wrong. It is bounded, whoever sends what.
type alarms struct {
	interval time.Duration // this node's
	noted    map[alarmKey]*noted
	senders  [vrrp.NumReasons]int
	shown    []Alarm // never written to again
	shownAt  time.Time
	swept    time.Time
}

type alarmKey struct {
	src    netip.Addr
	reason vrrp.Reason
}

// noted is an alarm with what its log needs. It outlives its alarm for as long
// as that log is not to be written.
type noted struct {
	Alarm
	worded time.Time
	told   time.Time
	untold uint64 // advertisements since then
}

// note notes a finding about src and returns its alarm, and how many
// advertisements a line in the log should speak of; 0: no line.
func (l *alarms) note(now time.Time, src netip.Addr, f vrrp.Finding, explain func(vrrp.Finding) (what, cure string)) (Alarm, uint64) {
	n, fresh := l.find(now, src, f.Reason)
	n.Count++
	n.untold++
	n.Until = now.Add(max(alarmShort, alarmIntervals*l.interval, alarmIntervals*f.Adv.Interval))
	if fresh || now.Sub(n.worded) >= alarmShow {
		n.What, n.Cure = explain(f)
		n.worded = now
	}
	if fresh || now.Sub(l.shownAt) >= alarmShow {
		l.show(now)
	}
	if !n.told.IsZero() && now.Sub(n.told) < alarmLog {
		return n.Alarm, 0
	}
	count := n.untold
	n.told, n.untold = now, 0
	return n.Alarm, count
}

// find returns the memory of src and reason, and whether it is a new alarm.
func (l *alarms) find(now time.Time, src netip.Addr, reason vrrp.Reason) (n *noted, fresh bool) {
	key := alarmKey{src, reason}
	n = l.noted[key]
	if n == nil && l.senders[reason] >= maxSenders {
		l.sweep(now)
	}
	if n == nil && l.senders[reason] >= maxSenders {
		key.src = netip.Addr{}
		n = l.noted[key]
	}
	if n != nil {
		if now.After(n.Until) {
			n.Since, n.Count = now, 0
			return n, true
		}
		return n, false
	}
	if l.noted == nil {
		l.noted = make(map[alarmKey]*noted)
	}
	n = &noted{Alarm: Alarm{Src: key.src, Reason: reason, Since: now}}
	l.noted[key] = n
	if key.src.IsValid() {
		l.senders[reason]++
	}
	return n, true
}

// sweep forgets the alarms that are over and have no log to be kept from.
func (l *alarms) sweep(now time.Time) {
	if now.Sub(l.swept) < alarmShow {
		return // a flood shall not have us look each time
	}
	l.swept = now
	for key, n := range l.noted {
		if now.After(n.Until) && now.Sub(n.told) >= alarmLog {
			delete(l.noted, key)
			if key.src.IsValid() {
				l.senders[key.reason]--
			}
		}
	}
}

// show makes a new list of those alarms that are not over, the oldest first.
func (l *alarms) show(now time.Time) {
	l.shownAt, l.shown = now, nil
	for _, n := range l.noted {
		if !now.After(n.Until) {
			l.shown = append(l.shown, n.Alarm)
		}
	}
	slices.SortFunc(l.shown, func(a, b Alarm) int {
		return cmp.Or(a.Since.Compare(b.Since), a.Src.Compare(b.Src), cmp.Compare(a.Reason, b.Reason))
	})
}
