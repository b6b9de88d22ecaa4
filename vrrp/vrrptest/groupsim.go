package vrrptest

import (
	"fmt"
	"time"

	"ngha/vrrp"
)

// GroupSim is a simulation of two or three hosts, each of which has a virtual
// router on every one of two or three networks, all of them one group. Storms
// and calms alternate as in Sim, and the fields mean the same.
type GroupSim Sim

// groupSim is a running GroupSim.
type groupSim struct {
	*sim
	hosts [][]*node
	mixed []time.Time // since when a host's members differ; zero: they do not
}

// Run runs the simulation to its end or to the first violation, as Sim does.
func (c GroupSim) Run() error {
	s := &groupSim{sim: Sim(c).begin(1)}
	s.world.watch = append(s.world.watch, s.observeGroup)
	return s.run(s.raise, s.storm, s.calm)
}

// raise makes the hosts and starts them.
func (s *groupSim) raise() error {
	r := s.rand
	c := vrrp.Config{VRID: 1, Interval: pick(r, 100*time.Millisecond, time.Second)}
	c.Addrs = append(c.Addrs, virtual)
	c.Failback = pick(r, vrrp.Failback{}, vrrp.Failback{}, vrrp.Failback{Never: true}, vrrp.Failback{After: 3 * c.Interval})
	s.interval, s.patience = c.Interval, c.Failback.After
	lans := 2 + r.IntN(2)
	for h := range 2 + r.IntN(2) {
		c.Priority = pick[uint8](r, 100, 100, 150, 200)
		var members []*node
		for l := range lans {
			n := s.world.add(fmt.Sprintf("%c%d", 'a'+h, l), c)
			n.lan, n.tardy = fmt.Sprint(l), 20*time.Millisecond
			members = append(members, n)
		}
		bind("g", members...)
		s.hosts = append(s.hosts, members)
		s.mixed = append(s.mixed, time.Time{})
		if err := startAll(members); err != nil {
			return err
		}
	}
	return nil
}

func startAll(members []*node) error {
	for _, n := range members {
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// groupFaults are what a storm draws from. Some befall one member, some a host.
var groupFaults = []func(*groupSim, []*node, *node){
	func(s *groupSim, _ []*node, n *node) { s.unplugOne(n) },
	func(s *groupSim, _ []*node, n *node) { s.unplugOne(n) },
	func(s *groupSim, _ []*node, n *node) { s.cutOneWay(n) },
	func(s *groupSim, _ []*node, n *node) { s.cutBothWays(n) },
	func(s *groupSim, _ []*node, n *node) { s.healOne(n) },
	func(s *groupSim, _ []*node, n *node) { s.muteOne(n) },
	func(s *groupSim, _ []*node, n *node) { s.barOne(n) },
	func(s *groupSim, _ []*node, n *node) { s.stealAddress(n) },
	func(s *groupSim, _ []*node, n *node) { s.makeNoise(n) },
	func(s *groupSim, host []*node, _ *node) {
		verdict := pick(s.rand, vrrp.Healthy, vrrp.LastResort, vrrp.Out)
		for _, n := range host {
			n.stand(verdict)
		}
	},
	func(s *groupSim, host []*node, _ *node) { // a partition on all networks
		for _, n := range host {
			for _, o := range s.world.nodes {
				s.world.cutBoth(n, o)
			}
		}
	},
	func(s *groupSim, host []*node, _ *node) { s.crashHost(host, s.upTo(longestAbsence)) },
	func(s *groupSim, host []*node, _ *node) {
		d, timerFirst := s.upTo(longestAbsence), s.rand.IntN(2) == 0
		for _, n := range host {
			life := n.life
			n.freeze()
			s.world.after(d, func() {
				if n.life == life {
					n.thaw(timerFirst)
				}
			})
		}
	},
	func(s *groupSim, host []*node, _ *node) { // a planned end, and a start later
		for _, n := range host {
			n.happen(vrrp.Shutdown{})
		}
		s.world.after(2*s.interval, func() { s.crashHost(host, s.upTo(3)) })
	},
}

// crashHost ends a host's process and starts it again after d.
func (s *groupSim) crashHost(host []*node, d time.Duration) {
	for _, n := range host {
		n.crash()
	}
	life := host[0].life
	s.world.after(d, func() {
		if host[0].life == life {
			s.startHost(host)
		}
	})
}

func (s *groupSim) startHost(host []*node) {
	if err := startAll(host); err != nil {
		s.violated("a valid configuration stays valid", "%v", err)
	}
}

func (s *groupSim) storm() {
	for range 3 + s.rand.IntN(8) {
		s.world.run(s.upTo(4))
		host, fault := pick(s.rand, s.hosts...), s.rand.IntN(len(groupFaults))
		s.logf("fault %d befalls %s", fault, host[0].name)
		groupFaults[fault](s, host, pick(s.rand, host...))
	}
	s.world.run((longestAbsence+2)*s.interval + leaseOf(s.interval) + time.Second)
}

// calm heals everything, and then wants the whole group on one host, the right
// one, and no further transition.
func (s *groupSim) calm() {
	s.logf("calm")
	clear(s.world.cut)
	s.world.noise = noise{}
	for _, host := range s.hosts {
		for _, n := range host {
			n.thaw(true)
			n.mute, n.barred = false, false
			if n.m != nil {
				n.step(vrrp.Startup{Source: n.addr})
			}
		}
		if host[0].m == nil {
			s.startHost(host)
		}
	}
	// Once to settle who of several yields, and once for those whom a member
	// that has just come up has kept.
	s.world.run(2*s.bound() + s.patience)
	s.settled()
	s.since = s.world.now
	s.world.run(10 * s.interval)
	s.settled()
	s.since = time.Time{}
}

// settled checks the outcome of a calm.
func (s *groupSim) settled() {
	const law = "in a calm network one host has the whole group"
	var holder []*node
	for _, host := range s.hosts {
		active := 0
		for _, n := range host {
			if n.m.Status().State == vrrp.Active && n.holds {
				active++
			}
		}
		switch {
		case active == 0:
		case active < len(host) || holder != nil:
			s.violated(law, "%s has %d of %d", host[0].name, active, len(host))
		default:
			holder = host
		}
	}
	best := uint8(0)
	for _, host := range s.hosts {
		best = max(best, host[0].m.Status().Priority)
	}
	switch {
	case holder == nil && best > 0:
		s.violated(law, "nobody is Active")
	case holder == nil:
	case holder[0].cfg.Failback.Never && holder[0].m.Status().Priority > vrrp.PriorityLastResort:
	case holder[0].m.Status().Priority < best:
		s.violated(law, "%s is Active with %d, another one has %d", holder[0].name, holder[0].m.Status().Priority, best)
	}
}

// observeGroup checks at every step that the members of a host that runs agree
// as soon as they can know of each other.
func (s *groupSim) observeGroup(*step) {
	for i, host := range s.hosts {
		if !disagree(host) {
			s.mixed[i] = time.Time{}
			continue
		}
		if !s.mixed[i].IsZero() {
			continue
		}
		since := s.world.now
		s.mixed[i] = since
		s.world.after(4*exchange, func() {
			if s.mixed[i].Equal(since) && disagree(host) {
				s.violated("the members of a group agree", "%s: some are Active and some are not, %s later", host[0].name, 4*exchange)
			}
		})
	}
}

// disagree reports whether some members of a host are Active and some are not.
// One that is frozen, does not run or is about to end does not count.
func disagree(host []*node) bool {
	active := 0
	for _, n := range host {
		if n.m == nil || n.frozen || n.m.Member().Ending {
			return false
		}
		if n.m.Status().State == vrrp.Active {
			active++
		}
	}
	return active > 0 && active < len(host)
}
