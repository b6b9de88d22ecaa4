package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"ngha/testenv"
)

const (
	vip  = "198.51.100.100"
	pace = 5 * time.Millisecond // of the client

	priorityA = 200
	priorityB = 150
)

// patience is how long a client that is not answered is looked at before it is
// given up. It is far beyond every timer of the nodes.
const patience = 30 * time.Second

// tour is one run of the demonstration.
type tour struct {
	tb       testenv.TB
	out      io.Writer
	interval time.Duration

	lab    *testenv.Lab
	link   *testenv.Link // of host a
	a, b   *testenv.Node
	client *testenv.Host
	lines  []line // of the summary
}

// raise starts two nodes and a client, and waits until the client is served.
func (t *tour) raise() {
	t.lab = testenv.New(t.tb)
	lan := t.lab.Bridge("lan")
	hostA, hostB := t.lab.Host("a"), t.lab.Host("b")
	t.client = t.lab.Host("client")
	t.link = lan.Attach(hostA, "198.51.100.1/24")
	lan.Attach(hostB, "198.51.100.2/24")
	lan.Attach(t.client, "198.51.100.9/24")
	t.sayf("Building ngha and starting two nodes, which first listen whether somebody else\nholds the address.\n")
	t.a, t.b = t.startNode(hostA, priorityA), t.startNode(hostB, priorityB)
	t.awaitHome()
}

func (t *tour) startNode(h *testenv.Host, priority int) *testenv.Node {
	return t.lab.StartNode(h, testenv.Node{
		VRID: 51, VIPs: []string{vip}, Priority: priority, Interval: t.interval,
		UnderInit: true, // as on a server, where ngha is one process of many
	})
}

// awaitHome waits until both nodes are well and node a holds the address.
func (t *tour) awaitHome() {
	t.a.AwaitHealth("healthy")
	t.b.AwaitHealth("healthy")
	t.a.AwaitState("active")
	t.b.AwaitState("backup")
}

// introduce tells who is there, in their own words.
func (t *tour) introduce() {
	t.sayf(`
    node a    198.51.100.1   ngha with its nginx, priority %d
    node b    198.51.100.2   ngha with its nginx, priority %d
    address   %s
    client    198.51.100.9   asks http://%s/ every %v, each time anew

The node that holds the address says so every %v; everything else is ngha's
default: node a, which has the higher priority, takes the address back whenever
it is well again. This is what the nodes say of themselves:
`, priorityA, priorityB, vip, vip, pace, t.interval)
	for _, n := range []*testenv.Node{t.a, t.b} {
		out, err := n.CLI("status")
		if err != nil {
			t.tb.Fatalf("ngha status on %s: %v\n%s", n.Host().Name(), err, out)
		}
		t.sayf("\n%s# ngha status\n%s", n.Host().Name(), indent(out))
	}
	t.sayf("\nNow to the harm. The figures are what the client saw.\n")
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("    " + line)
	}
	return b.String()
}

func (t *tour) sayf(format string, args ...any) {
	if _, err := fmt.Fprintf(t.out, format, args...); err != nil {
		t.tb.Fatalf("tell the story: %v", err)
	}
}
