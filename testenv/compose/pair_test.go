package compose_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
	"ngha/testenv/compose"
)

const (
	// pace is how often a client asks.
	pace = 20 * time.Millisecond
	// awaitLimit is far beyond all timers of the pairs.
	awaitLimit = 40 * time.Second
	// brief is how long a client waits for its answer, and patient how long where
	// none may fail.
	brief   = time.Second
	patient = 5 * time.Second
	// takeover is how long clients may wait when the node that serves is gone. Three
	// intervals of 300 ms and the skew make about a second, which the benchmark
	// measures. This only bounds it, on a machine however busy.
	takeover = 8 * time.Second
)

// pair is a pair that is looked at from its client.
type pair struct {
	*compose.Pair
	*testing.T
	lab    *testenv.Lab
	a, b   *compose.Node
	homes  map[string]string // a router's addresses, and the node that has them when all is well
	probes map[string]*testenv.Probe
	limit  time.Duration // of one attempt of theirs

	handOut func() error // gives the nodes a new configuration; nil: they find it themselves
}

// newPair raises a pair, the services in that order, and waits until all is well.
func newPair(t *testing.T, name string, homes map[string]string, services ...string) *pair {
	t.Helper()
	lab := testenv.New(t)
	p := &pair{Pair: compose.Up(t, lab, name, services...), T: t, lab: lab, homes: homes, limit: brief}
	p.a, p.b = p.Node("a"), p.Node("b")
	p.settles()
	return p
}

// settles waits until each address is served by the node that has it when all is
// well, and each node stands by for the rest.
func (p *pair) settles() {
	p.Helper()
	p.a.AwaitStates(p.states("a")...)
	p.b.AwaitStates(p.states("b")...)
	p.servedBy(p.homes)
}

func (p *pair) states(node string) []string {
	var states []string
	for _, router := range slices.Sorted(maps.Keys(p.homes)) {
		if p.homes[router] == node {
			states = append(states, "active")
		} else {
			states = append(states, "backup")
		}
	}
	return states
}

// servedBy waits until the client's next request to each address is answered by
// the node said.
func (p *pair) servedBy(nodes map[string]string) {
	p.Helper()
	for address, node := range each(nodes) {
		p.lab.Await(fmt.Sprintf("%s to answer at %s", node, address), awaitLimit, func() error {
			since := time.Now()
			spells := p.probe(address).Result().Where(func(s testenv.Sample) bool { return s.Started.After(since.Add(-5 * pace)) }).Servers()
			if len(spells) != 1 || spells[0].Server != node {
				return fmt.Errorf("answered by %v", spells)
			}
			return nil
		})
	}
}

// all says that one node serves every address.
func (p *pair) all(node string) map[string]string {
	nodes := make(map[string]string)
	for router := range p.homes {
		nodes[router] = node
	}
	return nodes
}

// each yields every single address with its router's node.
func each(nodes map[string]string) iter.Seq2[string, string] {
	return func(yield func(address, node string) bool) {
		for router, node := range nodes {
			for address := range strings.FieldsSeq(router) {
				if !yield(address, node) {
					return
				}
			}
		}
	}
}

// probe asks for the address from now on, if it does not already.
func (p *pair) probe(address string) *testenv.Probe {
	p.Helper()
	if p.probes == nil {
		p.probes = make(map[string]*testenv.Probe)
	}
	if p.probes[address] == nil {
		p.probes[address] = p.Client().ProbeHTTPWithin("http://"+address+"/", pace, p.limit)
	}
	return p.probes[address]
}

// during has the client ask for every address while f runs, and expects that no
// answer is longer in coming than limit. Where that is 0 no request may fail, but
// for those that were under way when the address moved.
func (p *pair) during(limit time.Duration, f func()) {
	p.Helper()
	p.probes, p.limit = nil, brief
	if limit == 0 {
		p.limit = patient
	}
	for address := range each(p.homes) {
		p.probe(address)
	}
	f()
	for address, probe := range p.probes {
		r := probe.Stop()
		if limit == 0 && r.Failed() > cut(r) || limit > 0 && r.Longest().Duration() > limit {
			p.Errorf("%s: %v", address, r)
		} else {
			p.Logf("%s: %v", address, r)
		}
	}
	p.probes = nil
}

// cut counts the attempts that failed since the address moved while they were
// under way: those begun before the client was answered by the successor, within
// as long as a busy node may take to answer. What a node has accepted and not
// answered when the address leaves it is lost. Where the client sends again it
// does to the successor, who knows nothing of the connection and resets it, or
// ignores it if it had one of the same ports. Where it has sent all it waits in
// vain: the answer, or only its end, has no way out any more. Whoever begins later
// is served, and nobody is refused.
func cut(r testenv.Result) int {
	var moves []time.Time
	server := ""
	for _, s := range r.Samples {
		if s.Failure != "" || s.Server == server {
			continue
		}
		if server != "" {
			moves = append(moves, s.Ended)
		}
		server = s.Server
	}
	return len(r.Where(func(s testenv.Sample) bool {
		lost := s.Failure == "reset" || s.Failure == "cut short" || s.Failure == "timeout"
		return lost && slices.ContainsFunc(moves, func(m time.Time) bool { return s.Started.Before(m) && m.Sub(s.Started) < brief })
	}).Samples)
}

// survive does the pair every harm.
func (p *pair) survive() {
	p.Helper()
	for _, f := range faults {
		// No subtests: those that come later need what those before have left.
		began := time.Now()
		p.during(f.limit, func() { f.harm(p) })
		p.Logf("%s: took %v", f.name, time.Since(began).Round(time.Millisecond))
		if p.Failed() {
			p.Fatalf("%s: see above", f.name)
		}
	}
}

func TestPairByEnvironment(t *testing.T) {
	t.Parallel()
	p := newPair(t, "environment", map[string]string{"198.51.100.100": "a"})
	p.survive()
	p.underLoad()
}

func TestPairByMulticast(t *testing.T) {
	t.Parallel()
	newPair(t, "multicast", map[string]string{"203.0.113.100": "a"}).survive()
}

func TestPairOfWhichBothServe(t *testing.T) {
	t.Parallel()
	newPair(t, "both", map[string]string{"198.18.1.100": "a", "198.18.1.101": "b"}).survive()
}

func TestPairOfBothFamilies(t *testing.T) {
	t.Parallel()
	newPair(t, "dual-stack", map[string]string{"198.18.3.100 [2001:db8:3::100]": "a"}).survive()
}

func TestPairWithAJobThatHandsOutConfigurations(t *testing.T) {
	t.Parallel()
	p := newPair(t, "sync", map[string]string{"198.18.2.100": "a"})
	p.handOut = func() error { _, err := p.TryCompose("run", "--rm", "sync"); return err }
	p.during(0, func() {
		p.Rewrite("served by", "served anew by")
		if err := p.handOut(); err != nil {
			t.Fatal(err)
		}
		p.generations(2, 2)
		if body, err := p.Node("client").Exec("curl", "-sS", "http://198.18.2.100/"); err != nil || body != "served anew by a" {
			t.Errorf("the client is told %q, %v", body, err)
		}

		// Not to be had from everybody: everybody keeps what he has.
		p.b.Docker("kill")
		undo := p.Rewrite("served anew by", "served in vain by")
		if err := p.handOut(); err == nil || !strings.Contains(err.Error(), "no ngha answers at /nodes/b") {
			t.Errorf("with b dead: %v", err)
		}
		p.generations(2)
		undo()
		p.b.Docker("start")
		p.settles()
	})
	p.survive()
}

// generations expects that a, and b, have loaded so many configurations since
// they were started, and run with what is on disk.
func (p *pair) generations(want ...uint64) {
	p.Helper()
	for i, n := range []*compose.Node{p.a, p.b}[:len(want)] {
		s, err := n.Status()
		if err != nil || s.Nginx.Generation != want[i] || s.Nginx.Configuration != "current" {
			p.Errorf("%s: %v, generation %d, %s, want %d", n.Name(), err, s.Nginx.Generation, s.Nginx.Configuration, want[i])
		}
	}
}
