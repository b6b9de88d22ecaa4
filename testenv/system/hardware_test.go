package system_test

import (
	"fmt"
	"testing"
	"time"

	"ngha/testenv"
)

// A node loses its power and gets it back.
func TestNodeVanishesAndComesBack(t *testing.T) {
	for name, row := range map[string]struct {
		failback string
		a, b     testenv.Node
	}{
		"failback now":      {failback: "now"},
		"failback after 2s": {failback: "after 2s"},
		"failback never":    {failback: "never"},
		"unicast":           {"now", testenv.Node{Peers: []string{"198.51.100.2"}}, testenv.Node{Peers: []string{"198.51.100.1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.a.Failback, row.b.Failback = row.failback, row.failback
			s := newSite(t, row.a, row.b)
			s.a.Host().PowerOff()
			s.settlesOn(s.b)

			s.a.Host().PowerOn()
			s.listened(s.a, s.failsBack(row.failback, s.a.Start))
		})
	}
}

// The Backup is not needed.
func TestBackupVanishesAndComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	s.b.Host().PowerOff()
	s.remains(s.a, 5)
	s.b.Host().PowerOn()
	s.b.Start()
	s.b.AwaitHealth("healthy")
	s.remains(s.a, 5)
}

func TestThreeNodesTakeOverInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{}, testenv.Node{Priority: 2}) // far from b's, whose timer has to be served first
	s.a.Host().PowerOff()
	s.settlesOn(s.b)
	s.remains(s.b, 5)
	s.b.Host().PowerOff()
	s.settlesOn(s.c)

	for _, m := range []*member{s.b, s.a} {
		m.Host().PowerOn()
		back := time.Now()
		m.Start()
		s.owners.during(m.name+" takes over", s.interval, func() { s.settlesOn(m) })
		s.listened(m, back)
	}
}

// Two virtual routers with opposite priorities: each node serves one address,
// and both when it is alone.
func TestTwoVirtualRoutersShareThePair(t *testing.T) {
	t.Parallel()
	const second = "198.51.100.200"
	node := func(priority, secondPriority int) testenv.Node {
		return testenv.Node{Priority: -1, Config: fmt.Sprintf(`
virtual_routers:
  - {vrid: %d, addresses: [%s], priority: %d, interval: %v}
  - {vrid: 52, addresses: [%s], priority: %d, interval: %v}
`, vrid, vip, priority, fast, second, secondPriority, fast)}
	}
	s := newLAN(t, fast)
	s.start(s.host(), node(200, 150))
	s.start(s.host(), node(150, 200))
	shared := func() {
		s.servesTo(s.client, vip, s.a)
		s.servesTo(s.client, second, s.b)
		s.b.AwaitGone(vip)
		s.a.AwaitGone(second)
	}
	shared()
	s.watch(vip)
	owners := newOwnerLaw(t, s.watcher, second)

	s.a.Host().PowerOff()
	s.servesTo(s.client, vip, s.b)
	s.servesTo(s.client, second, s.b)
	s.a.Host().PowerOn()
	s.a.Start()
	s.owners.during("a takes over the first address", s.soon(), shared)

	s.b.Host().PowerOff()
	s.servesTo(s.client, vip, s.a)
	s.servesTo(s.client, second, s.a)
	s.b.Host().PowerOn()
	s.b.Start()
	owners.during("b takes over the second address", s.soon(), shared)
}
