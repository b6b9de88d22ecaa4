package vrrptest

import (
	"slices"
	"time"

	"ngha/vrrp"
)

// exchange is how long it takes until a member of a group knows of another.
const exchange = 50 * time.Microsecond

// bind makes nodes a group, of which the first one is the leader.
func bind(name string, nodes ...*node) {
	for i, n := range nodes {
		n.cfg.Grouped = vrrp.Group{Name: name, Member: n.name, Follows: i > 0}
		n.fellows = nodes[:1]
		if i == 0 {
			n.fellows = nodes[1:]
		}
		n.member = absent
	}
}

// absent is what is known of a member that does not run.
var absent = vrrp.Member{Unfit: "not started"}

// tell lets the others of the group know what has changed, as package router
// does.
func (n *node) tell() {
	if len(n.fellows) == 0 {
		return
	}
	last, now := n.member, n.m.Member()
	n.member = now
	was := last
	was.HeardAt = now.HeardAt
	behind := func(other *node) bool { return now.State != vrrp.Active && other.member.State == vrrp.Active }
	if was == now && (last == now || !slices.ContainsFunc(n.fellows, behind)) {
		return
	}
	concerned := n.fellows
	if n.cfg.Grouped.Follows {
		concerned = append([]*node{n}, concerned...)
	}
	for _, other := range concerned {
		life := other.life
		n.world.after(exchange, func() {
			if other.life == life {
				other.consult()
			}
		})
	}
}

// consult tells the node's machine how the others of its group are.
func (n *node) consult() {
	if n.frozen {
		n.woken = true
		return
	}
	n.woken = false
	if n.m == nil || len(n.fellows) == 0 {
		return
	}
	var others []vrrp.Member
	for _, other := range n.fellows {
		others = append(others, other.member)
	}
	n.step(vrrp.GroupChanged{Others: others})
}
