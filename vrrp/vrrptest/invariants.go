package vrrptest

import (
	"fmt"
	"time"

	"ngha/vrrp"
)

// An invariant holds after every step of every node. It returns what is
// wrong, or "".
type invariant struct {
	name  string
	check func(*step) string
}

// invariants are the laws of a single step.
var invariants = []invariant{
	{"what is discarded touches nothing", discardTouchesNothing},
	{"addresses are held only while Active", heldOnlyWhileActive},
	{"addresses are released before Active is left", releasedBeforeLeaving},
	{"the lease is renewed only after an advertisement", renewedAfterSend},
	{"a node that cannot speak loses its addresses", leaseFollowsSpeech},
	{"an ill node advertises 1 at most", illIsLastResort},
	{"nothing is sent from the past", nothingFromThePast},
	{"a transition starts where the node is", transitionsAreChained},
	{"an Active yields to better ones only", yieldsToBetter},
	{"a lower Active does not keep a healthy node that fails back now", lowerDoesNotDelay},
	{"a served timer lies in the future", timerMovesOn},
}

func heldOnlyWhileActive(s *step) string {
	if s.node.holds && s.after.State != vrrp.Active {
		return fmt.Sprintf("holds the addresses in %s", s.after.State)
	}
	return ""
}

func releasedBeforeLeaving(s *step) string {
	released := false
	for _, a := range s.actions {
		switch a := a.(type) {
		case vrrp.Release:
			released = true
		case vrrp.Transition:
			if a.From == vrrp.Active && !released {
				return fmt.Sprintf("leaves Active for %s without Release before", a.To)
			}
		}
	}
	return ""
}

func renewedAfterSend(s *step) string {
	if _, ok := s.event.(vrrp.AddressRemoved); ok {
		return ""
	}
	if s.trial() || s.now.Sub(s.node.robbed) <= takeBackAfter {
		return ""
	}
	sent := false
	for _, a := range s.actions {
		switch a.(type) {
		case vrrp.Send:
			sent = true
		case vrrp.Acquire:
			if !sent {
				return "Acquire without Send before"
			}
		}
	}
	return ""
}

// takeBackAfter is how long after a removal an address may be taken back.
const takeBackAfter = 100 * time.Millisecond

// trial reports whether the step is the takeover of a node that could not
// install its addresses the last time, or from an Active that serves: it has the
// addresses before it says so.
func (s *step) trial() bool {
	if s.before.State == vrrp.Active || len(s.actions) == 0 {
		return false
	}
	_, acquires := s.actions[0].(vrrp.Acquire)
	return acquires && (s.node.hasFailed || s.before.Active.Addr.IsValid())
}

func leaseFollowsSpeech(s *step) string {
	n := s.node
	if !n.holds || s.trial() {
		return ""
	}
	if most := leaseOf(n.interval()) + time.Second; s.now.Sub(n.lastLeft) > most {
		return fmt.Sprintf("holds the addresses %s after its last advertisement left, more than %s", s.now.Sub(n.lastLeft), most)
	}
	return ""
}

func illIsLastResort(s *step) string {
	highest := vrrp.PriorityOwner - 1
	switch s.after.Standing {
	case vrrp.LastResort:
		highest = vrrp.PriorityLastResort
	case vrrp.Out:
		highest = vrrp.PriorityRelease
	}
	for _, a := range s.actions {
		if send, ok := a.(vrrp.Send); ok && send.Adv.Priority > highest {
			return fmt.Sprintf("advertises %d while %s", send.Adv.Priority, s.after.Standing)
		}
	}
	return ""
}

func nothingFromThePast(s *step) string {
	silent := s.now.Sub(s.lastLeft)
	if s.before.State != vrrp.Active || s.lastLeft.IsZero() || silent <= 3*s.node.interval() {
		return ""
	}
	if len(s.actions) == 0 {
		return fmt.Sprintf("does nothing %s after its last advertisement left", silent)
	}
	if _, ok := s.actions[0].(vrrp.Release); !ok {
		return fmt.Sprintf("does %T first, %s after its last advertisement left", s.actions[0], silent)
	}
	return ""
}

func transitionsAreChained(s *step) string {
	at := s.before.State
	for _, a := range s.actions {
		if t, ok := a.(vrrp.Transition); ok {
			if t.From != at || t.To == t.From || t.Reason == "" {
				return fmt.Sprintf("transition %s -> %s (%q) from %s", t.From, t.To, t.Reason, at)
			}
			at = t.To
		}
	}
	if at != s.after.State {
		return fmt.Sprintf("is %s after transitions to %s", s.after.State, at)
	}
	return ""
}

// overslept reports whether the step came too late for what the node knew.
func (s *step) overslept() bool {
	if s.before.State == vrrp.Active {
		return s.now.Sub(s.lastLeft) > 3*s.node.interval()
	}
	return !s.deadline.IsZero() && s.now.After(s.deadline)
}

func yieldsToBetter(s *step) string {
	ev, ok := s.event.(vrrp.Received)
	if !ok || s.before.State != vrrp.Active || s.after.State != vrrp.Backup || s.overslept() {
		return ""
	}
	mine, theirs := s.before.Priority, ev.Adv.Priority
	if theirs < mine || theirs == mine && ev.Src.Less(s.node.addr) {
		return fmt.Sprintf("yields with %d to %d of %s", mine, theirs, ev.Src)
	}
	return ""
}

func lowerDoesNotDelay(s *step) string {
	ev, ok := s.event.(vrrp.Received)
	if !ok || s.before.State != vrrp.Backup || s.overslept() || s.deadline.IsZero() {
		return ""
	}
	if s.node.cfg.Grouped.Follows || s.before.Held != "" { // its deadline is not that of a takeover
		return ""
	}
	if s.before.Standing != vrrp.Healthy || s.node.cfg.Failback != (vrrp.Failback{}) || ev.Adv.Priority >= s.before.Priority {
		return ""
	}
	if d := s.node.m.Deadline(); d.After(s.deadline) {
		return fmt.Sprintf("hears %d and waits %s longer", ev.Adv.Priority, d.Sub(s.deadline))
	}
	return ""
}

func discardTouchesNothing(s *step) string {
	for _, a := range s.actions {
		if d, ok := a.(vrrp.Discard); ok && !s.overslept() {
			if len(s.actions) != 1 || !s.node.m.Deadline().Equal(s.deadline) {
				return fmt.Sprintf("discards for %s and does %v", d.Reason, s.actions)
			}
		}
	}
	return ""
}

func timerMovesOn(s *step) string {
	if _, ok := s.event.(vrrp.Timer); !ok {
		return ""
	}
	if d := s.node.m.Deadline(); !d.IsZero() && !d.After(s.now) {
		return fmt.Sprintf("the deadline after Timer at %s is %s", s.now, d)
	}
	return ""
}
