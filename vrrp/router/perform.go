package router

import (
	"fmt"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// perform carries out actions in order. Once one of them has failed, nothing
// more is claimed, and the event that tells of it is returned.
func (r *Router) perform(actions []vrrp.Action) (failure vrrp.Event) {
	for _, a := range actions {
		switch a := a.(type) {
		case vrrp.Send:
			if failure != nil && a.Adv.Priority != vrrp.PriorityRelease {
				continue
			}
			if err := r.send(a); err != nil {
				r.counters.SendErrors++
				r.log.Debug("advertisement not sent", "err", err)
				failure = vrrp.SendFailed{Err: err}
			}
		case vrrp.Acquire:
			if failure != nil {
				continue
			}
			if err := r.port.Acquire(); err != nil {
				r.counters.AddressErrors++
				r.log.Warn("address not installed", "err", err)
				failure = vrrp.AcquireFailed{Err: err}
			}
		case vrrp.Announce:
			if failure != nil {
				continue
			}
			r.counters.Announcements++
			if err := r.port.Announce(); err != nil { // the schedule tries again
				r.counters.SendErrors++
				r.log.Debug("addresses not announced", "err", err)
			}
		case vrrp.Release:
			if r.port == nil {
				continue
			}
			if err := r.port.Release(); err != nil { // the lease will do it
				r.counters.AddressErrors++
				r.log.Warn("address not released", "err", err)
			}
		case vrrp.Discard:
			r.discard(a.Src, vrrp.Finding{Reason: a.Reason, Adv: r.hearing})
		case vrrp.Transition: // step reports it when all has held
		default:
			panic(fmt.Sprintf("router: unknown action %T", a))
		}
	}
	return failure
}

// send puts one advertisement on the LAN. It fails when it left for none of
// those it was meant for.
func (r *Router) send(s vrrp.Send) error {
	to := s.To
	if !r.config.Unicast {
		to = []netip.Addr{r.config.MulticastGroup()}
	}
	var failed error
	left := len(to) == 0 // a node without peers speaks to nobody, and may
	for _, dst := range to {
		src := r.port.Source()
		r.payload = s.Adv.AppendTo(r.payload[:0], src, dst, r.config.Checksum)
		if r.auth != nil {
			r.payload = r.auth.Sign(r.payload, src, dst, time.Now())
		}
		err := r.port.WritePacket(vrrp.Packet{Src: src, Dst: dst, TTL: vrrp.TTL, Payload: r.payload})
		if err != nil {
			failed = fmt.Errorf("advertise to %s: %w", dst, err)
			continue
		}
		left = true
		r.tally.sent.Add(1)
		if s.Adv.Priority == vrrp.PriorityRelease {
			r.counters.PriorityZeroSent++
		}
	}
	if left {
		return nil
	}
	return failed
}
