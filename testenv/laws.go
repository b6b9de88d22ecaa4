package testenv

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Frames are frames in the order in which they came to the switch.
type Frames []Frame

// Match is a condition on a frame.
type Match func(Frame) bool

// All is met by a frame that meets every condition.
func All(conditions ...Match) Match {
	return func(f Frame) bool {
		for _, met := range conditions {
			if !met(f) {
				return false
			}
		}
		return true
	}
}

// After is met by frames later than t.
func After(t time.Time) Match { return func(f Frame) bool { return f.At.After(t) } }

// From is met by frames that the link's host sent through it.
func From(l *Link) Match {
	return func(f Frame) bool { return f.Src.String() == l.mac.String() }
}

// IsAdvert is met by VRRP advertisements for vrid.
func IsAdvert(vrid int) Match {
	return func(f Frame) bool { return f.Advert != nil && f.Advert.VRID == vrid }
}

// WithPriority is met by VRRP advertisements with that priority.
func WithPriority(priority int) Match {
	return func(f Frame) bool { return f.Advert != nil && f.Advert.Priority == priority }
}

// Announces is met by gratuitous ARP, or unsolicited neighbor advertisements,
// for the address.
func Announces(address string) Match {
	want, err := parseAddr(address)
	return func(f Frame) bool { return err == nil && f.Announced == want }
}

// Where returns the frames that meet every condition.
func (fs Frames) Where(conditions ...Match) Frames {
	var found Frames
	for _, f := range fs {
		if All(conditions...)(f) {
			found = append(found, f)
		}
	}
	return found
}

// Reign is a time in which one sender claimed a virtual router: from its first
// advertisement to its last one, or to its Priority 0.
type Reign struct {
	From        string // "a/eth0"
	Source      netip.Addr
	First, Last time.Time
	Released    bool // it ended by Priority 0
	// Announced tells, for each address, how long after First it was announced
	// for the first time; an address that was not is missing.
	Announced map[netip.Addr]time.Duration
	atOnce    map[netip.Addr]bool // it was before the second advertisement
	adverts   int
	addresses []netip.Addr
}

// Reigns lists who claimed vrid, in the order in which they began. A sender's
// reign ends by its Priority 0, by a silence of three intervals, and, when
// somebody else speaks meanwhile, by one of an interval and a quarter: a sender
// that has given way says nothing.
func (fs Frames) Reigns(vrid int) []*Reign {
	var reigns []*Reign
	current := make(map[netip.Addr]*Reign) // by source
	bySender := make(map[string]*Reign)    // by hardware address
	var before netip.Addr                  // who spoke last
	for _, f := range fs {
		if f.Announced.IsValid() {
			bySender[f.Src.String()].announce(f)
			continue
		}
		if !IsAdvert(vrid)(f) {
			continue
		}
		src := f.IP.Src
		r := current[src]
		if r != nil && r.over(f, before != src) {
			r = nil
		}
		before = src
		if f.Advert.Priority == 0 {
			if r != nil {
				r.Last, r.Released = f.At, true
			}
			delete(current, src)
			continue
		}
		if r == nil {
			r = &Reign{
				From: f.From, Source: src, First: f.At,
				Announced: make(map[netip.Addr]time.Duration), atOnce: make(map[netip.Addr]bool), addresses: f.Advert.Addresses,
			}
			reigns = append(reigns, r)
			current[src], bySender[f.Src.String()] = r, r
		}
		r.Last = f.At
		r.adverts++
	}
	return reigns
}

// over reports whether the reign had ended when its sender sent f.
func (r *Reign) over(f Frame, interrupted bool) bool {
	limit := 3 * f.Advert.Interval
	if interrupted {
		limit = 5 * f.Advert.Interval / 4
	}
	return f.At.Sub(r.Last) > limit
}

// announce notes the first announcement of an address. A nil Reign ignores it.
func (r *Reign) announce(f Frame) {
	if r == nil {
		return
	}
	if _, known := r.Announced[f.Announced]; !known {
		r.Announced[f.Announced] = f.At.Sub(r.First)
		r.atOnce[f.Announced] = r.adverts == 1
	}
}

// NoTwoSpeakers returns an error for every two senders that claimed vrid at the
// same time for longer than limit. In a connected network that is one
// interval.
func (fs Frames) NoTwoSpeakers(vrid int, limit time.Duration) error {
	var errs []error
	reigns := fs.Reigns(vrid)
	for i, r := range reigns {
		for _, s := range reigns[:i] {
			first, last := r.First, r.Last // r began later
			if s.Last.Before(last) {
				last = s.Last
			}
			if both := last.Sub(first); r.Source != s.Source && both > limit {
				errs = append(errs, fmt.Errorf("%s and %s both claimed vrid %d for %v from %s",
					s.From, r.From, vrid, both, first.Format("15:04:05.000")))
			}
		}
	}
	return errors.Join(errs...)
}

// TTL255 returns an error for every advertisement sent with another TTL or hop
// limit (RFC 9568 sections 5.1.1.3 and 5.1.2.3).
func (fs Frames) TTL255() error {
	var errs []error
	for _, f := range fs {
		if f.Advert != nil && f.IP.TTL != 255 {
			errs = append(errs, fmt.Errorf("TTL is not 255: %v", f))
		}
	}
	return errors.Join(errs...)
}

// AnnouncedWithin returns an error for every reign over vrid in which an
// address was not announced within limit of the first advertisement.
func (fs Frames) AnnouncedWithin(vrid int, limit time.Duration) error {
	var errs []error
	for _, r := range fs.Reigns(vrid) {
		for _, addr := range r.addresses {
			after, ok := r.Announced[addr]
			switch {
			case !ok:
				errs = append(errs, fmt.Errorf("%s never announced %v", r.From, addr))
			case after > limit:
				errs = append(errs, fmt.Errorf("%s announced %v after %v", r.From, addr, after))
			}
		}
	}
	return errors.Join(errs...)
}

// AnnouncedAtOnce returns an error for every reign over vrid in which an address
// was not announced between the first two advertisements. It does not depend on
// how busy this machine is.
func (fs Frames) AnnouncedAtOnce(vrid int) error {
	var errs []error
	for _, r := range fs.Reigns(vrid) {
		for _, addr := range r.addresses {
			if !r.atOnce[addr] {
				errs = append(errs, fmt.Errorf("%s, active from %s, did not announce %v with its first advertisement", r.From, r.First.Format("15:04:05.000"), addr))
			}
		}
	}
	return errors.Join(errs...)
}

// QuietAfterRelease returns an error for every sender that claimed vrid again
// within limit of its own Priority 0.
func (fs Frames) QuietAfterRelease(vrid int, limit time.Duration) error {
	var errs []error
	released := make(map[netip.Addr]time.Time)
	for _, f := range fs.Where(IsAdvert(vrid)) {
		at, ok := released[f.IP.Src]
		switch {
		case f.Advert.Priority == 0:
			released[f.IP.Src] = f.At
		case ok && f.At.Sub(at) < limit:
			errs = append(errs, fmt.Errorf("%s claimed vrid %d again %v after its Priority 0", f.From, vrid, f.At.Sub(at)))
			fallthrough
		default:
			delete(released, f.IP.Src)
		}
	}
	return errors.Join(errs...)
}
