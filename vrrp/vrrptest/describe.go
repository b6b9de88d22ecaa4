package vrrptest

import (
	"fmt"
	"strings"

	"ngha/vrrp"
)

// routine reports whether s is what an undisturbed node does all the time:
// say that it is there, renew its lease, announce itself, hear its Active.
func (s *step) routine() bool {
	switch s.event.(type) {
	case vrrp.Timer:
		for _, a := range s.actions {
			switch a.(type) {
			case vrrp.Transition, vrrp.Release:
				return false
			}
		}
		return true
	default:
		return len(s.actions) == 0
	}
}

// describe tells what s did as a line of a play.
func (s *step) describe() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	failing := false
	for _, action := range s.actions {
		switch a := action.(type) {
		case vrrp.Send:
			switch {
			case failing && a.Adv.Priority != vrrp.PriorityRelease:
			case s.node.mute:
				failing = true
				say("cannot say %d", a.Adv.Priority)
			default:
				say("says %d", a.Adv.Priority)
			}
		case vrrp.Acquire:
			switch {
			case failing:
			case s.node.barred:
				failing = true
				say("cannot take the address")
			default:
				say("takes the address")
			}
		case vrrp.Announce:
			if !failing {
				say("announces it")
			}
		case vrrp.Release:
			say("releases the address")
		case vrrp.Transition:
			say("%s -> %s (%s)", a.From, a.To, a.Reason)
		case vrrp.Discard:
			say("discards %s (%s)", s.cause(), a.Reason)
		}
	}
	if len(words) == 0 {
		return "does nothing"
	}
	return strings.Join(words, ", ")
}

// cause names the event of s.
func (s *step) cause() string {
	switch ev := s.event.(type) {
	case vrrp.Received:
		return fmt.Sprintf("%d from %s", ev.Adv.Priority, s.node.world.nameOf(ev.Src))
	case vrrp.StandingChanged:
		return ev.Standing.String()
	default:
		return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", ev), "vrrp."))
	}
}
