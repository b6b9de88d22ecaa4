package compose_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
	"ngha/testenv/compose"
)

const (
	// pace is how often a client asks.
	pace = 20 * time.Millisecond
	// awaitLimit is far beyond all timers of the pairs.
	awaitLimit = 40 * time.Second
	// takeover is how long clients may wait when the node that serves is gone: three
	// intervals of 300 ms, the skew, and what a busy machine adds.
	takeover = 3 * time.Second
)

// pair is a pair that is looked at from its client.
type pair struct {
	*compose.Pair
	*testing.T
	lab    *testenv.Lab
	a, b   *compose.Node
	homes  map[string]string // the address, and the node that has it when all is well
	probes map[string]*testenv.Probe
}

// newPair raises a pair, the services in that order, and waits until all is well.
func newPair(t *testing.T, name string, homes map[string]string, services ...string) *pair {
	t.Helper()
	lab := testenv.New(t)
	p := &pair{Pair: compose.Up(t, lab, name, services...), T: t, lab: lab, homes: homes}
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
	for _, address := range slices.Sorted(maps.Keys(p.homes)) {
		if p.homes[address] == node {
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
	for address, node := range nodes {
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
	for address := range p.homes {
		nodes[address] = node
	}
	return nodes
}

// probe asks for the address from now on, if it does not already.
func (p *pair) probe(address string) *testenv.Probe {
	p.Helper()
	if p.probes == nil {
		p.probes = make(map[string]*testenv.Probe)
	}
	if p.probes[address] == nil {
		p.probes[address] = p.Client().ProbeHTTP("http://"+address+"/", pace)
	}
	return p.probes[address]
}

// during has the client ask for every address while f runs, and expects that no
// answer is longer in coming than limit, and no request fails where limit is 0.
func (p *pair) during(limit time.Duration, f func()) {
	p.Helper()
	p.probes = nil
	for address := range p.homes {
		p.probe(address)
	}
	f()
	for address, probe := range p.probes {
		r := probe.Stop()
		if limit == 0 && r.Failed() > 0 || limit > 0 && r.Longest().Duration() > limit {
			p.Errorf("%s: %v", address, r)
		} else {
			p.Logf("%s: %v", address, r)
		}
	}
	p.probes = nil
}

// faults are what a pair survives. Each of them harms a, and ends when all is
// well again.
var faults = []struct {
	name  string
	limit time.Duration // of the time without an answer; 0: no request fails
	harm  func(*pair)
}{
	{"killed and started", takeover, func(p *pair) {
		p.a.Docker("kill")
		p.servedBy(p.all("b"))
		p.a.Docker("start")
		p.settles()
	}},
	{"stopped and started", 0, func(p *pair) {
		stopped := time.Now()
		p.a.Docker("stop")
		if took, code := time.Since(stopped), p.a.Inspect("{{.State.ExitCode}}"); code != "0" || took > 10*time.Second {
			p.Errorf("docker stop: exit code %s after %v", code, took)
		}
		p.servedBy(p.all("b"))
		p.a.Docker("start")
		p.settles()
	}},
	{"paused and unpaused", takeover, func(p *pair) {
		p.a.Docker("pause")
		p.servedBy(p.all("b"))
		p.a.Docker("unpause")
		p.settles()
	}},
	{"restarted", takeover, func(p *pair) {
		before := p.a.Inspect("{{.State.StartedAt}}")
		p.a.Docker("restart")
		if p.a.Inspect("{{.State.StartedAt}}") == before {
			p.Error("docker restart did nothing")
		}
		p.settles()
	}},
	{"disconnected and connected", takeover, func(p *pair) {
		p.a.Docker("network", "disconnect", p.Network())
		p.servedBy(p.all("b"))
		p.a.Docker("network", "connect", "--alias", "a", p.Network())
		p.settles()
	}},
	{"nginx's master killed", 0, func(p *pair) {
		before := p.a.Guest().NginxMaster()
		p.signal(before, unix.SIGKILL)
		p.lab.Await("another master", awaitLimit, func() error {
			if now := p.a.Guest().NginxMaster(); len(now) != 1 || now[0] == before[0] {
				return fmt.Errorf("there are %v", now)
			}
			return nil
		})
		p.settles()
	}},
	{"all of nginx killed", takeover, func(p *pair) {
		p.signal(p.a.Guest().Nginx(), unix.SIGKILL)
		p.settles()
	}},
	{"recreated with another address", takeover, func(p *pair) {
		before := p.a.Address()
		p.Compose("rm", "--stop", "--force", "a")
		p.Occupy(before)
		p.Compose("up", "-d", "--no-build", "--no-deps", "a")
		if after := p.a.Address(); after == before {
			p.Errorf("a has its old address %s again", after)
		}
		p.settles()
	}},
	{"both started, the better first", awaitLimit, func(p *pair) { p.starts(p.a, p.b) }},
	{"both started, the better last", awaitLimit, func(p *pair) { p.starts(p.b, p.a) }},
}

func (p *pair) signal(processes testenv.PIDs, sig unix.Signal) {
	p.Helper()
	if len(processes) == 0 {
		p.Fatal("there is no nginx to kill")
	}
	if err := processes.Signal(sig); err != nil {
		p.Fatal(err)
	}
}

// starts kills both nodes and starts them, the second when the first serves.
func (p *pair) starts(first, second *compose.Node) {
	p.Helper()
	p.a.Docker("kill")
	p.b.Docker("kill")
	first.Docker("start")
	p.servedBy(p.all(first.Name()))
	second.Docker("start")
	p.settles()
}

// survives does a pair every harm.
func survives(t *testing.T, name string, homes map[string]string) {
	t.Parallel()
	p := newPair(t, name, homes)
	for _, f := range faults {
		// The clean-ups of one test clear the pair away: these are no subtests of
		// it that could run alone.
		began := time.Now()
		p.during(f.limit, func() { f.harm(p) })
		t.Logf("%s: took %v", f.name, time.Since(began).Round(time.Millisecond))
		if t.Failed() {
			t.Fatalf("%s: see above", f.name)
		}
	}
}

func TestPairByEnvironment(t *testing.T) {
	survives(t, "environment", map[string]string{"198.51.100.100": "a"})
}

func TestPairByMulticast(t *testing.T) {
	survives(t, "multicast", map[string]string{"203.0.113.100": "a"})
}

func TestPairOfWhichBothServe(t *testing.T) {
	survives(t, "both", map[string]string{"198.18.1.100": "a", "198.18.1.101": "b"})
}
