package router

import (
	"errors"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// receive takes one packet.
func (r *Router) receive(p vrrp.Packet) {
	adv, skew, err := r.parse(p)
	if err != nil {
		d, ok := errors.AsType[*vrrp.DiscardError](err)
		if !ok {
			panic("router: " + err.Error()) // Parse knows no other
		}
		r.discard(p.Src, vrrp.Finding{Reason: d.Reason, Value: d.Value, Adv: adv})
		r.publish(r.machine.Status())
		return
	}
	if skew != 0 {
		r.alarm(p.Src, vrrp.Finding{Reason: vrrp.ReasonClock, Value: int(skew / time.Second), Adv: adv})
	}
	r.hearing = adv
	r.step(vrrp.Received{Src: p.Src, Adv: adv})
}

// parse reads p as far as that does not depend on the election. skew is how far
// its sender's clock is behind where that is remarkable.
func (r *Router) parse(p vrrp.Packet) (adv vrrp.Advertisement, skew time.Duration, err error) {
	if r.config.Routed {
		p.TTL = vrrp.TTL
	}
	if r.auth != nil {
		return r.auth.Parse(p, time.Now())
	}
	adv, err = vrrp.Parse(p)
	return adv, 0, err
}

// discard counts a refused advertisement and raises an alarm.
func (r *Router) discard(src netip.Addr, f vrrp.Finding) {
	r.counters.Discarded[f.Reason]++
	if f.Reason == vrrp.ReasonVRID { // neighbours of ours, who may be there
		return
	}
	r.alarm(src, f)
	if f.Reason == vrrp.ReasonUnknownPeer && r.options.OnStranger != nil {
		r.options.OnStranger(src)
	}
}

// doubt raises alarms for what is remarkable about an advertisement that was
// obeyed.
func (r *Router) doubt(src netip.Addr, adv vrrp.Advertisement) {
	for _, reason := range r.machine.Doubts(adv) {
		r.alarm(src, vrrp.Finding{Reason: reason, Adv: adv})
	}
}

// alarm notes f, and writes about it now and then.
func (r *Router) alarm(src netip.Addr, f vrrp.Finding) {
	a, count := r.alarms.note(time.Now(), src, f, r.config.Explain)
	if count == 0 {
		return
	}
	message := "advertisement discarded"
	if !f.Reason.Discards() {
		message = "advertisement obeyed, with doubts"
	}
	r.log.Warn(message, "peer", a.sender(), "reason", a.Reason.String(), "what", a.What, "cure", a.Cure, "count", count)
}
