package vrrptest

import (
	"errors"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// node is one node of a world: a machine, and what surrounds it there. It
// performs actions as package router does.
type node struct {
	world *world
	name  string
	addr  netip.Addr
	cfg   vrrp.Config
	peers []netip.Addr
	lan   string // it hears those of the same one

	fellows []*node     // of its group: its leader, or, if it is that, the others
	member  vrrp.Member // what they know of it
	woken   bool        // one of them has changed while it was frozen

	m        Machine       // nil: not running
	life     int           // counts starts and crashes
	standing vrrp.Standing // what its health is, also while it does not run
	timer    time.Time     // when a Timer is scheduled; zero: not
	lost     time.Duration // how long its clock stood still in suspends

	frozen bool         // it does not run, its clock does
	inbox  []vrrp.Event // what came meanwhile

	holds bool
	lease time.Time     // when the kernel removes the addresses
	tardy time.Duration // how late the kernel does so

	mute   bool // nothing it sends leaves
	barred bool // its addresses cannot be installed

	robbed    time.Time // when its address was last removed
	lastLeft  time.Time // when an advertisement that claims last left
	hasFailed bool      // an Acquire of this machine has failed, or a Send of a follower
}

var (
	errMute   = errors.New("network is unreachable")
	errBarred = errors.New("permission denied")
)

// inboxMax is the backlog of a socket.
const inboxMax = 64

// leaseOf is how long an installed address lives without renewal.
func leaseOf(interval time.Duration) time.Duration {
	return max((3 * interval).Truncate(time.Second), time.Second)
}

// interval is the node's Advertisement_Interval.
func (n *node) interval() time.Duration {
	if n.cfg.Interval == 0 {
		return time.Second
	}
	return n.cfg.Interval
}

// clock is the node's monotonic clock.
func (n *node) clock() time.Time { return n.world.now.Add(-n.lost) }

// start runs the node as a new process, which sweeps what its predecessor
// left installed.
func (n *node) start() error {
	m, err := n.world.newMachine(n.cfg)
	if err != nil {
		return err
	}
	n.m, n.frozen, n.inbox, n.holds, n.timer = m, false, nil, false, time.Time{}
	n.lastLeft, n.hasFailed = time.Time{}, false
	n.life++
	n.member, n.woken = absent, false
	n.step(vrrp.StandingChanged{Standing: n.standing})
	if n.cfg.Unicast {
		n.step(vrrp.PeersChanged{Peers: n.peers})
	}
	n.step(vrrp.Startup{Source: n.addr})
	return nil
}

// crash ends the node's process. The kernel keeps what is installed until the
// lease ends.
func (n *node) crash() {
	n.m, n.frozen, n.inbox = nil, false, nil
	n.member = absent
	n.life++
}

// hear lets a packet arrive.
func (n *node) hear(ev vrrp.Received) { n.happen(ev) }

// happen lets an event reach the node's process.
func (n *node) happen(ev vrrp.Event) {
	switch {
	case n.m == nil:
	case n.frozen:
		if _, packet := ev.(vrrp.Received); !packet || len(n.inbox) < inboxMax {
			n.inbox = append(n.inbox, ev)
		}
	default:
		n.step(ev)
	}
}

// stand tells the node its health, or lets it know when it runs again.
func (n *node) stand(s vrrp.Standing) {
	n.standing = s
	n.happen(vrrp.StandingChanged{Standing: s})
}

// freeze stops the process, as SIGSTOP does.
func (n *node) freeze() { n.frozen = n.m != nil }

// thaw lets the process run again. It finds its timer expired and packets
// waiting; which it takes first is not certain.
func (n *node) thaw(timerFirst bool) {
	if !n.frozen {
		return
	}
	n.frozen = false
	waiting := n.inbox
	n.inbox = nil
	if n.woken {
		n.consult()
	}
	if timerFirst {
		n.serveTimer()
	}
	for _, ev := range waiting {
		n.happen(ev)
	}
	if !timerFirst && n.m != nil && !n.frozen {
		n.serveTimer()
	}
}

// serveTimer steps Timer, as package router does.
func (n *node) serveTimer() {
	n.consult()
	n.step(vrrp.Timer{})
}

// suspend lets the machine sleep for d: nothing runs, nothing is received, and
// its clock stands still.
func (n *node) suspend(d time.Duration) {
	m, life := n.m, n.life
	if m == nil || n.frozen {
		return
	}
	n.m = nil
	n.world.after(d, func() {
		if n.life != life {
			return
		}
		n.lost += d
		n.m = m
		n.timer = time.Time{}
		n.step(vrrp.Suspended{})
		n.happen(vrrp.StandingChanged{Standing: n.standing}) // it may have changed in between
	})
}

// step steps the machine, does what it says, and lets the world watch.
func (n *node) step(ev vrrp.Event) {
	s := step{
		node: n, now: n.clock(), event: ev,
		before: n.m.Status(), deadline: n.m.Deadline(), lastLeft: n.lastLeft,
	}
	s.actions = n.m.Step(s.now, ev)
	failed := n.perform(s.actions)
	s.after = n.m.Status()
	n.arm()
	n.tell()
	for _, f := range n.world.watch {
		f(&s)
	}
	for _, ev := range failed {
		n.step(ev)
	}
}

// arm schedules Timer for the machine's deadline.
func (n *node) arm() {
	deadline := n.m.Deadline()
	if deadline.IsZero() || deadline.Equal(n.timer) {
		return
	}
	n.timer = deadline
	m := n.m
	n.world.at(deadline.Add(n.lost), func() {
		if n.m != m || !n.timer.Equal(deadline) {
			return
		}
		n.timer = time.Time{}
		if n.frozen {
			return
		}
		if n.m.Deadline().Equal(deadline) {
			n.serveTimer()
		} else {
			n.arm()
		}
	})
}

// perform does what the machine says, in order, and returns the events that
// follow from failures.
func (n *node) perform(actions []vrrp.Action) (failed []vrrp.Event) {
	failing := false // of what follows a failure nothing is claimed
	for _, action := range actions {
		switch a := action.(type) {
		case vrrp.Send:
			if failing && a.Adv.Priority != vrrp.PriorityRelease {
				continue
			}
			if n.mute {
				failing = true
				n.hasFailed = n.hasFailed || n.cfg.Grouped.Follows
				failed = append(failed, vrrp.SendFailed{Err: errMute})
				continue
			}
			if a.Adv.Priority != vrrp.PriorityRelease {
				n.lastLeft = n.clock()
			}
			n.world.deliver(n, a)
		case vrrp.Acquire:
			if failing {
				continue
			}
			if n.barred {
				failing, n.hasFailed = true, true
				failed = append(failed, vrrp.AcquireFailed{Err: errBarred})
				continue
			}
			n.install()
		case vrrp.Release:
			n.holds = false
		case vrrp.Announce, vrrp.Transition, vrrp.Discard:
		}
	}
	return failed
}

// install gives the addresses a new lease.
func (n *node) install() {
	n.holds = true
	n.lease = n.world.now.Add(leaseOf(n.interval()) + n.tardy)
	lease := n.lease
	n.world.at(lease, func() {
		if n.holds && n.lease.Equal(lease) {
			n.remove()
		}
	})
}

// remove takes the addresses off the node's interface, which it notices.
func (n *node) remove() {
	if n.holds {
		n.holds, n.robbed = false, n.clock()
		n.happen(vrrp.AddressRemoved{})
	}
}
