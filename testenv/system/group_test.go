package system_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

// side is one of the networks between which the nodes stand.
type side struct {
	vrid    int
	address string // virtual
	lan     *testenv.Bridge
	client  *testenv.Host
	capture *testenv.Capture
	links   [2]*testenv.Link // of a and b
}

// edge is two nodes, a the better one, between two networks, with an address on
// each that move together.
type edge struct {
	*testing.T
	lab     *testenv.Lab
	inside  *side
	outside *side
	nodes   [2]*testenv.Node
}

func newEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{T: t, lab: testenv.New(t)}
	e.inside = &side{vrid: 51, address: "198.51.100.100"}
	e.outside = &side{vrid: 52, address: "203.0.113.100"}
	hosts := [2]*testenv.Host{e.lab.Host("a"), e.lab.Host("b")}
	for i, s := range []*side{e.inside, e.outside} {
		network := s.address[:strings.LastIndex(s.address, ".")]
		name := []string{"in", "out"}[i]
		s.lan, s.client = e.lab.Bridge(name), e.lab.Host("client-"+name)
		s.lan.Attach(s.client, network+".9/24")
		for n, h := range hosts {
			s.links[n] = s.lan.Attach(h, fmt.Sprintf("%s.%d/24", network, n+1))
		}
		s.capture = s.lan.Capture()
	}
	for n, h := range hosts {
		priority := 200 - 50*n
		e.nodes[n] = e.lab.StartNode(h, testenv.Node{RealTime: true, Config: fmt.Sprintf(`
virtual_routers:
  - {name: outside, group: edge, vrid: 52, addresses: [203.0.113.100], priority: %[1]d, interval: %[2]v}
  - {name: inside, group: edge, vrid: 51, addresses: [198.51.100.100], priority: %[1]d, interval: %[2]v}
`, priority, fast)})
		e.nodes[n].AwaitHealth("healthy")
	}
	return e
}

func (e *edge) sides() []*side { return []*side{e.inside, e.outside} }

// on waits until node n serves both addresses, and the other one has neither.
func (e *edge) on(n int) {
	e.Helper()
	name := []string{"a", "b"}[n]
	for _, s := range e.sides() {
		e.nodes[n].AwaitHolds(s.address)
		e.nodes[1-n].AwaitGone(s.address)
		e.lab.Await(fmt.Sprintf("%s to be served by %s at %s", s.client, name, s.address), limit, func() error {
			return asks(s.client, s.address, name)
		})
	}
}

// handedOver wants the group to have moved from node 1-n to n as one: from the
// first claim of n on either network on, the other node is silent on both, but
// for what it says last.
func (e *edge) handedOver(n int, since time.Time) {
	e.Helper()
	var first time.Time
	for _, s := range e.sides() {
		claim := s.capture.Await("a claim", limit, testenv.IsAdvert(s.vrid), testenv.From(s.links[n]), testenv.After(since))
		if first.IsZero() || claim.At.Before(first) {
			first = claim.At
		}
	}
	for _, s := range e.sides() {
		late := s.capture.Frames().Where(testenv.IsAdvert(s.vrid), testenv.From(s.links[1-n]), testenv.After(first.Add(2*fast)))
		if len(late) > 0 {
			e.Errorf("two intervals after the move began the other node still speaks: %v", late[0])
		}
	}
}

// Whichever interface of the better node loses its carrier, both addresses move
// to the other node, and both come back.
func TestGroupMovesTogether(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.on(0)
	for _, s := range e.sides() {
		pulled := time.Now()
		s.links[0].PortDown()
		e.on(1)
		e.handedOver(1, pulled)

		plugged := time.Now()
		s.links[0].PortUp()
		e.on(0)
		e.handedOver(0, plugged)
	}
	pulled := time.Now()
	e.nodes[0].Host().PowerOff()
	e.lab.Await("b to hold both addresses", limit, func() error {
		for _, s := range e.sides() {
			if holds, err := e.nodes[1].Host().Holds(s.address); err != nil || !holds {
				return fmt.Errorf("it does not hold %s: %w", s.address, err)
			}
		}
		return nil
	})
	e.handedOver(1, pulled)
}

// The nodes hear each other on one network only: neither address moves, and the
// one that keeps still says why.
func TestGroupIsNotTorn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.on(0)
	for _, s := range e.sides() {
		cut := s.lan.Cut(e.nodes[0].Host(), e.nodes[1].Host())
		e.nodes[1].AwaitStatus("held back", func(status testenv.Status) error {
			for _, w := range status.Warnings {
				if strings.Contains(w, "group edge") && strings.Contains(w, "hears") {
					return nil
				}
			}
			return fmt.Errorf("it warns of %q", status.Warnings)
		})
		began := time.Now()
		s.capture.Await("ten more advertisements of a", limit, testenv.IsAdvert(s.vrid), testenv.From(s.links[0]), testenv.After(began.Add(10*fast)))
		e.on(0)
		for _, other := range e.sides() {
			if claims := other.capture.Frames().Where(testenv.IsAdvert(other.vrid), testenv.From(other.links[1])); len(claims) > 0 {
				t.Errorf("b claimed: %v", claims[0])
			}
		}
		cut.Heal()
	}
	status, err := e.nodes[1].Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range status.VirtualRouters {
		if v.State != "backup" || v.Counters.BecameActive != 0 {
			t.Errorf("%s of b is %s and has become active %d times", v.Name, v.State, v.Counters.BecameActive)
		}
	}
}
