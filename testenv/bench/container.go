package main

import (
	"slices"
	"time"

	"ngha/testenv"
	"ngha/testenv/compose"
)

// containerRows lists what is measured with the pair of containers that is
// configured by environment variables.
func containerRows() []row {
	const (
		interval = 300 * time.Millisecond // as its docker-compose.yml says
		pace     = 5 * time.Millisecond
	)
	down := 3*interval + (256-100)*interval/256 // the second node has priority 100
	alone := []product{ngha{}}
	return []row{
		{name: "containers started", interval: interval, pace: pace, products: alone, contained: startContainers, figures: []figure{
			{"from the last one's start to both healthy and one active", inSeconds, within(down+time.Second, "3 × 300 ms + skew + 1 s")},
		}},
		{name: "container killed (docker kill)", interval: interval, pace: pace, products: alone, contained: killContainer, figures: []figure{
			{"outage", inSeconds, within(down+slack, "3 × 300 ms + skew + 200 ms")},
		}},
		{name: "container stopped (docker stop)", interval: interval, pace: pace, products: alone, contained: stopContainer, figures: []figure{
			{"failed new connections", inCount, zero},
			{"open connections cut, of the virtual address", inCount, nil},
			{"downloads cut, of 5 from the node's own", inCount, zero},
			{"outage", inSeconds, nil},
		}},
	}
}

// containers are the two nodes of a pair of containers, a and b, and its client.
// The first one has the address.
type containers struct {
	*pair
	a, b *compose.Node
}

func newContainers(tb testenv.TB, r row) *containers {
	lab := testenv.New(tb)
	nodes := compose.Up(tb, lab, "environment")
	c := &containers{
		pair: &pair{tb: tb, row: r, product: ngha{}, lab: lab, client: nodes.Client().Host},
		a:    nodes.Node("a"), b: nodes.Node("b"),
	}
	c.settle()
	nodes.Rewrite("location / ", testenv.SlowLocation()+" location / ")
	if out, err := c.a.Exec("ngha", "reload"); err != nil {
		tb.Fatalf("reload: %v: %s", err, out)
	}
	c.atRandom()
	return c
}

func (c *containers) settle() {
	c.a.AwaitStates("active")
	c.b.AwaitStates("backup")
}

func startContainers(c *containers) []value {
	c.a.Docker("kill")
	c.b.Docker("kill")
	started := make(chan error, 1) // its one message
	go func() { started <- c.a.TryDocker("start", c.b.Container()) }()
	if !c.look(time.Millisecond, c.serve) {
		c.tb.Fatalf("the containers did not come to serve")
	}
	now := time.Now()
	if err := <-started; err != nil {
		c.tb.Fatalf("%v", err)
	}
	var last time.Time
	for _, n := range []*compose.Node{c.a, c.b} {
		at, err := time.Parse(time.RFC3339Nano, n.Inspect("{{.State.StartedAt}}"))
		if err != nil {
			c.tb.Fatalf("%v", err)
		}
		if at.After(last) {
			last = at
		}
	}
	return []value{seconds(now.Sub(last))}
}

// serve reports whether both nodes are healthy, one is active, and one stands by.
func (c *containers) serve() bool {
	var states []string
	for _, n := range []*compose.Node{c.a, c.b} {
		s, err := n.Status()
		if err != nil || !s.Health.Healthy {
			return false
		}
		states = append(states, s.VirtualRouters[0].State)
	}
	slices.Sort(states)
	return slices.Equal(states, []string{"active", "backup"})
}

func killContainer(c *containers) []value {
	probe := c.ask()
	at := c.harm(func() { c.a.Docker("kill") })
	c.awaitAnswer(probe, "b", at)
	outage, _ := longest(c.stop(probe), at)
	return []value{outage}
}

func stopContainer(c *containers) []value {
	const downloads = 5
	probe := c.ask()
	own := c.client.StartLoad("http://"+c.a.Address()+"/", testenv.Clients{Downloads: downloads, Limit: 5 * time.Second})
	own.Await(0)
	at := c.harm(func() { c.a.Docker("stop") })
	c.awaitAnswer(probe, "b", at)
	r := c.stop(probe)
	underWay := own.Stop().Downloads.Where(func(s testenv.Sample) bool { return s.Started.Before(at) })
	if len(underWay.Samples) < downloads {
		c.tb.Fatalf("%d downloads were under way, want %d: %v", len(underWay.Samples), downloads, underWay)
	}
	outage, _ := longest(r, at)
	cut := cutShort(r)
	return []value{count(r.Failed() - cut), count(cut), count(underWay.Failed()), outage}
}
