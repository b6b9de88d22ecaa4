package vrrptest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"ngha/vrrp"
)

// Sim is a simulation of two to five nodes that alternates between storms, in
// which everything goes wrong that can, and calms, in which one node has to
// come out on top. Its seed decides everything.
type Sim struct {
	Seed uint64
	// IPv6 holds the elections over it, for addresses of both families.
	IPv6 bool
	// Trace, when not nil, gets a line for every step that is not routine and
	// for everything that befalls a node.
	Trace io.Writer
	// New makes the machines; nil means vrrp.NewMachine.
	New func(vrrp.Config) (Machine, error)
}

// Violation is the error of a Sim in which an invariant did not hold.
type Violation struct {
	Seed uint64
	At   time.Duration // since the beginning
	Law  string
	What string // who did what
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d after %s: %s: %s", v.Seed, v.At, v.Law, v.What)
}

// sim is a running Sim.
type sim struct {
	Sim
	world *world
	rand  *rand.Rand
	found *Violation

	interval time.Duration // the longest of all nodes
	patience time.Duration // the longest failback pause of all nodes
	since    time.Time     // transitions after this are violations; zero: none are
}

// rounds is how many storms and calms there are.
const rounds = 3

// Run runs the simulation to its end or to the first violation. The error is
// a *Violation, or that of a machine that could not be made.
func (c Sim) Run() error {
	s := c.begin(0)
	return s.run(s.populate, s.storm, s.calm)
}

// begin makes the world of a simulation. Kinds of simulations have random
// numbers of their own.
func (c Sim) begin(kind uint64) *sim {
	s := &sim{Sim: c, rand: rand.New(rand.NewPCG(c.Seed, kind))}
	s.world = newWorld(s.rand)
	if c.New != nil {
		s.world.newMachine = c.New
	}
	s.world.watch = append(s.world.watch, s.observe)
	return s
}

// run makes the nodes and has storms and calms follow each other.
func (s *sim) run(populate func() error, storm, calm func()) error {
	if err := populate(); err != nil {
		return err
	}
	for range rounds {
		storm()
		calm()
		if s.found != nil {
			return s.found
		}
	}
	return nil
}

// logf writes to the trace.
func (s *sim) logf(format string, args ...any) {
	if s.Trace != nil {
		fmt.Fprintf(s.Trace, "%12s  %s\n", s.world.now.Sub(epoch), fmt.Sprintf(format, args...))
	}
}

// violated notes the first violation.
func (s *sim) violated(law, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.logf("VIOLATION: %s: %s", law, what)
	if s.found == nil {
		s.found = &Violation{s.Seed, s.world.now.Sub(epoch), law, what}
	}
}

// observe checks every step.
func (s *sim) observe(st *step) {
	if s.Trace != nil && !st.routine() {
		s.logf("%s: %s: %s", st.node.name, st.cause(), st.describe())
	}
	for _, inv := range invariants {
		if wrong := inv.check(st); wrong != "" {
			s.violated(inv.name, "%s on %s: %s", st.node.name, st.cause(), wrong)
		}
	}
	if !s.since.IsZero() && s.world.now.After(s.since) && st.before.State != st.after.State {
		s.violated("a calm network is stable", "%s: %s -> %s (%s)", st.node.name, st.before.State, st.after.State, st.after.Reason)
	}
}

// populate makes the nodes and starts them, some a little later than others.
func (s *sim) populate() error {
	r := s.rand
	common := vrrp.Config{VRID: 1, Version: vrrp.V3, Interval: pick(r, 100*time.Millisecond, time.Second, time.Second, 3*time.Second)}
	if r.IntN(5) == 0 && !s.IPv6 {
		common.Version, common.Interval = vrrp.V2, pick(r, time.Second, 2*time.Second)
	}
	mixedIntervals := common.Version == vrrp.V3 && r.IntN(4) == 0
	mixedFailback := r.IntN(2) == 0
	common.Unicast = r.IntN(4) == 0
	for i := range 2 + r.IntN(4) {
		c := common
		c.Priority = pick(r, 100, 150, uint8(2+r.IntN(253)), uint8(2+r.IntN(253)))
		if s.IPv6 {
			c.Addrs = append(c.Addrs, virtual6)
		}
		c.Addrs = append(c.Addrs, virtual)
		if mixedIntervals {
			c.Interval = pick(r, 500*time.Millisecond, time.Second, 2*time.Second)
		}
		if mixedFailback {
			c.Failback = pick(r, vrrp.Failback{}, vrrp.Failback{Never: true}, vrrp.Failback{After: 3 * c.Interval})
		}
		n := s.world.add(string(rune('a'+i)), c)
		n.tardy = 20*time.Millisecond + time.Duration(r.Int64N(int64(980*time.Millisecond)))
		s.interval = max(s.interval, c.Interval)
		s.patience = max(s.patience, c.Failback.After)
		s.logf("%s: priority %d, interval %s, version %d, failback %s", n.name, c.Priority, c.Interval, c.Version, c.Failback)
	}
	for _, n := range s.world.nodes {
		for _, peer := range s.world.nodes {
			if peer != n {
				n.peers = append(n.peers, peer.addr)
			}
		}
		// The first start also shows whether the configuration is valid.
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// calm heals everything, gives the nodes the time that they may need, and
// then wants one Active, the right one, and no further transition.
func (s *sim) calm() {
	s.logf("calm")
	s.heal()
	s.world.run(s.bound())
	s.settled()
	s.since = s.world.now
	s.world.run(10 * s.interval)
	s.settled()
	s.since = time.Time{}
}

// settled checks the outcome of a calm.
func (s *sim) settled() {
	const law = "a calm network has one Active, the right one"
	var actives, candidates []*node
	for _, n := range s.world.nodes {
		if n.m != nil && n.m.Status().State == vrrp.Active {
			actives = append(actives, n)
		} else if n.holds {
			s.violated(law, "%s holds the addresses and is not Active", n.name)
		}
		if n.m != nil && n.m.Status().State != vrrp.Initialize && n.standing != vrrp.Out {
			candidates = append(candidates, n)
		}
	}
	switch {
	case len(candidates) == 0 && len(actives) == 0:
		return
	case len(actives) != 1:
		s.violated(law, "%d Actives among %d candidates", len(actives), len(candidates))
		return
	case !actives[0].holds:
		s.violated(law, "%s is Active and does not hold the addresses", actives[0].name)
	}
	s.right(law, actives[0], candidates)
}

// right checks that active is who shall be.
func (s *sim) right(law string, active *node, candidates []*node) {
	its := active.m.Status().Priority
	for _, n := range candidates {
		p := n.m.Status().Priority
		switch {
		case its == vrrp.PriorityLastResort && p > its:
			s.violated(law, "%s is Active at last resort though %s is healthy", active.name, n.name)
		case !n.cfg.Failback.Never && p > its:
			s.violated(law, "%s is Active with %d though %s fails back %s with %d", active.name, its, n.name, n.cfg.Failback, p)
		}
	}
}

// pick returns one of list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
