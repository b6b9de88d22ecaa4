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
	if !slices.Equal(g.Nginx(), node.Nginx()) || !slices.Equal(g.NginxMaster(), node.NginxMaster()) {
		t.Errorf("nginx is %v and %v, want %v and %v", g.Nginx(), g.NginxMaster(), node.Nginx(), node.NginxMaster())
	}
	probe := g.ProbeHTTP("http://198.51.100.1/", 10*time.Millisecond)
	lab.Await("an answer", awaitLimit, func() error {
		if spells := probe.Result().Servers(); len(spells) == 0 || spells[0].Server != "a" {
			return fmt.Errorf("answered by %v", spells)
		}
		return nil
	})
}
