package router

import (
	"slices"

	"ngha/vrrp"
)

// Bind makes Routers whose vrrp.Config has the same Group, one of them its
// leader, know of each other. It is called before any of them runs.
//
// They share no lock. Each leaves what the others have to know where they can
// read it, wakes those whom it concerns, and goes on.
func Bind(members ...*Router) {
	for _, r := range members {
		for _, other := range members {
			// Followers have nothing to tell each other.
			if other != r && r.config.Grouped.Follows != other.config.Grouped.Follows {
				r.fellows = append(r.fellows, other)
			}
		}
	}
}

// tell leaves what the others of the group have to know, and wakes them if it
// may make them do something. That an Active is still heard does not, unless one
// of them is Active and this one is to follow: who wants to know it else, looks.
func (r *Router) tell() {
	now := r.machine.Member()
	last := r.member.Swap(&now)
	if last != nil {
		was := *last
		was.HeardAt = now.HeardAt
		if was == now && (*last == now || !r.behind(now.State)) {
			return
		}
	}
	for _, other := range r.fellows {
		other.wakeGroup()
	}
	if r.config.Grouped.Follows {
		r.wakeGroup() // what kept this one from following may be over
	}
}

// behind reports whether another one is Active while this one, whose state is
// given, is not.
func (r *Router) behind(state vrrp.State) bool {
	return state != vrrp.Active && slices.ContainsFunc(r.fellows, func(other *Router) bool {
		m := other.member.Load()
		return m != nil && m.State == vrrp.Active
	})
}

func (r *Router) wakeGroup() { r.inbox.put(func(w *wanted) { w.group = true }) }

// consult tells the machine how the others of its group are.
func (r *Router) consult() {
	if len(r.fellows) == 0 {
		return
	}
	others := make([]vrrp.Member, len(r.fellows))
	for i, other := range r.fellows {
		others[i] = *other.member.Load()
	}
	r.step(vrrp.GroupChanged{Others: others})
}
