package testenv

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A host's own machine, seen as a stranger's.
func TestGuestIsSeenThroughItsFirstProcess(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	host := lab.Host("a")
	lan.Attach(host, "198.51.100.1/24")
	node := lab.StartNode(host, Node{})
	node.AwaitHealth("healthy")

	g := lab.Guest("b", node.Process().PID())
	if holds, err := g.Holds("198.51.100.1"); err != nil || !holds {
		t.Errorf("it holds its own address: %t, %v", holds, err)
	}
	if s, err := g.Status(); err != nil || s.Node != "a" {
		t.Errorf("status of %q, %v", s.Node, err)
	}
	// ngha starts nginx for moments to ask it things, such as its configuration.
	lab.Await("nginx's master and workers", awaitLimit, func() error {
		master, workers := node.NginxMaster(), node.NginxWorkers()
		family := slices.Sorted(slices.Values(slices.Concat(master, workers)))
		if len(master) != 1 || len(workers) != 2 || !slices.Equal(g.NginxMaster(), master) || !slices.Equal(g.Nginx(), family) {
			return fmt.Errorf("nginx is %v and %v, want %v and %v", g.Nginx(), g.NginxMaster(), family, master)
		}
		return nil
	})
	probe := g.ProbeHTTP("http://198.51.100.1/", 10*time.Millisecond)
	lab.Await("an answer", awaitLimit, func() error {
		if spells := probe.Result().Servers(); len(spells) == 0 || spells[0].Server != "a" {
			return fmt.Errorf("answered by %v", spells)
		}
		return nil
	})
}
