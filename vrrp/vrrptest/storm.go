package vrrptest

import (
	"net/netip"
	"time"

	"ngha/vrrp"
)

// virtual is the address that all nodes of a world share; virtual6 is another one
// in some worlds.
var (
	virtual  = netip.MustParsePrefix("198.51.100.100/32")
	virtual6 = netip.MustParsePrefix("2001:db8::100/128")
)

// fault is something that befalls a network.
type fault struct {
	weight int
	do     func(*sim, *node)
}

// faults are all that a storm draws from.
var faults = []fault{
	{4, (*sim).cutOneWay},
	{3, (*sim).cutBothWays},
	{4, (*sim).healOne},
	{3, (*sim).makeNoise},
	{5, (*sim).freezeOne},
	{2, (*sim).suspendOne},
	{3, (*sim).crashOne},
	{2, (*sim).endOne},
	{6, (*sim).changeHealth},
	{2, (*sim).muteOne},
	{1, (*sim).barOne},
	{3, (*sim).unplugOne},
	{2, (*sim).stealAddress},
	{2, (*sim).strayPacket},
}

// storm lets faults happen for a while, to random nodes at random times.
func (s *sim) storm() {
	s.logf("storm")
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	for range 4 + s.rand.IntN(16) {
		s.world.run(s.upTo(3))
		i, left := 0, s.rand.IntN(total)
		for left >= faults[i].weight {
			left -= faults[i].weight
			i++
		}
		faults[i].do(s, pick(s.rand, s.world.nodes...))
	}
	// Whoever sleeps, ends or is being started anew comes back, and the lease
	// of who crashed runs out, while the network is still as it is.
	s.world.run((longestAbsence+2)*s.interval + leaseOf(s.interval) + time.Second)
}

// upTo is a random time of up to n intervals.
func (s *sim) upTo(n int) time.Duration {
	return time.Duration(s.rand.Int64N(int64(n) * int64(s.interval)))
}

// heal ends all faults at once. Nodes that do not run stay so now and then,
// but not all of them.
func (s *sim) heal() {
	clear(s.world.cut)
	s.world.noise = noise{}
	for _, n := range s.world.nodes {
		n.thaw(s.rand.IntN(2) == 0)
		n.mute, n.barred = false, false
		if n.m == nil && (n == s.world.nodes[0] || s.rand.IntN(3) > 0) {
			s.logf("%s: started", n.name)
			s.start(n)
		}
		if n.m != nil {
			n.step(vrrp.Startup{Source: n.addr})
		}
		if n.standing == vrrp.Pending {
			n.stand(vrrp.Healthy)
		}
	}
}

// longestAbsence is for how many intervals a fault can keep a node away.
const longestAbsence = 8

// bound is how long after a storm the network may take to settle: one
// Active_Down_Interval, less than four intervals, and what a node waits for on
// purpose.
func (s *sim) bound() time.Duration {
	return 4*s.interval + s.patience + s.retries()
}

// retries is how long nodes wait at most that could not install addresses.
func (s *sim) retries() time.Duration {
	for _, n := range s.world.nodes {
		if n.m != nil && n.m.Status().Priority == vrrp.PriorityRelease && n.standing != vrrp.Out {
			return time.Minute
		}
	}
	return 0
}

// start starts n, whose health is not known yet at first.
func (s *sim) start(n *node) {
	verdict := n.standing
	if verdict == vrrp.Pending {
		verdict = vrrp.Healthy
	}
	n.standing = vrrp.Pending
	if err := n.start(); err != nil {
		s.violated("a valid configuration stays valid", "%s: %v", n.name, err)
		return
	}
	life := n.life
	s.world.after(s.upTo(2), func() {
		if n.life == life && n.standing == vrrp.Pending {
			n.stand(verdict)
		}
	})
}

func (s *sim) other(n *node) *node {
	for {
		if o := pick(s.rand, s.world.nodes...); o != n {
			return o
		}
	}
}

func (s *sim) cutOneWay(n *node) {
	o := s.other(n)
	s.logf("%s no longer hears %s", o.name, n.name)
	s.world.cut[direction{n.addr, o.addr}] = true
}

func (s *sim) cutBothWays(n *node) {
	o := s.other(n)
	s.logf("%s and %s are cut from each other", n.name, o.name)
	s.world.cutBoth(n, o)
}

func (s *sim) healOne(n *node) {
	for _, o := range s.world.nodes {
		s.world.healBoth(n, o)
	}
	s.logf("%s is connected to all", n.name)
}

func (s *sim) makeNoise(*node) {
	s.world.noise = noise{
		loss:      s.rand.Float64() / 2,
		duplicate: s.rand.Float64() / 4,
		delay:     s.upTo(1),
	}
	s.logf("noise: %+v", s.world.noise)
}

func (s *sim) freezeOne(n *node) {
	d, timerFirst, life := s.upTo(longestAbsence), s.rand.IntN(2) == 0, n.life
	s.logf("%s is frozen for %s", n.name, d)
	n.freeze()
	s.world.after(d, func() {
		if n.life == life {
			n.thaw(timerFirst)
		}
	})
}

func (s *sim) suspendOne(n *node) {
	d := s.upTo(longestAbsence)
	s.logf("%s is suspended for %s", n.name, d)
	n.suspend(d)
}

func (s *sim) crashOne(n *node) {
	s.logf("%s crashes", n.name)
	n.crash()
	s.restart(n)
}

// restart starts n after a while, with another priority now and then.
func (s *sim) restart(n *node) {
	if s.rand.IntN(3) == 0 {
		n.cfg.Priority = uint8(2 + s.rand.IntN(253))
	}
	if s.rand.IntN(3) == 0 {
		return
	}
	life := n.life
	s.world.after(s.upTo(longestAbsence), func() {
		if n.life == life && n.m == nil {
			s.logf("%s: started with priority %d", n.name, n.cfg.Priority)
			s.start(n)
		}
	})
}

func (s *sim) endOne(n *node) {
	s.logf("%s is shut down", n.name)
	n.happen(vrrp.Shutdown{})
	life := n.life
	s.world.after(2*s.interval, func() {
		if n.life == life {
			n.crash()
			s.restart(n)
		}
	})
}

func (s *sim) changeHealth(n *node) {
	verdict := pick(s.rand, vrrp.Healthy, vrrp.Healthy, vrrp.LastResort, vrrp.LastResort, vrrp.Out, vrrp.Pending)
	s.logf("%s is %s", n.name, verdict)
	n.stand(verdict)
}

func (s *sim) muteOne(n *node) {
	s.logf("%s: mute %t", n.name, !n.mute)
	n.mute = !n.mute
}

func (s *sim) barOne(n *node) {
	s.logf("%s: barred %t", n.name, !n.barred)
	n.barred = !n.barred
}

func (s *sim) unplugOne(n *node) {
	s.logf("%s is unplugged", n.name)
	for _, o := range s.world.nodes {
		s.world.cutBoth(n, o)
	}
	n.happen(vrrp.Fault{Reason: "no carrier"})
	s.world.after(s.upTo(longestAbsence), func() {
		s.logf("%s is plugged in", n.name)
		for _, o := range s.world.nodes {
			s.world.healBoth(n, o)
		}
		n.happen(vrrp.Startup{Source: n.addr})
	})
}

func (s *sim) stealAddress(n *node) {
	if n.m != nil {
		s.logf("%s: its address is removed", n.name)
		n.remove()
	}
}

func (s *sim) strayPacket(n *node) {
	adv := vrrp.Advertisement{Version: n.cfg.Version, VRID: 1, Priority: uint8(s.rand.IntN(256)), Interval: n.interval()}
	src := n.addr
	if s.rand.IntN(2) == 0 {
		adv.VRID, src = 2, s.other(n).addr
	}
	s.logf("%s hears a stray packet", n.name)
	n.happen(vrrp.Received{Src: src, Adv: adv})
}
