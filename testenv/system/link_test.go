package system_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

// The network of the Active breaks in a way that it can see.
func TestInterfaceFailsAndComesBack(t *testing.T) {
	for name, row := range map[string]struct {
		config     testenv.Node
		fail, mend func(*site)
		names      []string // in the reason
	}{
		"set down": {
			fail:  func(s *site) { s.a.link.Down() },
			mend:  func(s *site) { s.a.link.Up() },
			names: []string{"eth0", "down"},
		},
		"carrier lost": {
			fail:  func(s *site) { s.a.link.PortDown() },
			mend:  func(s *site) { s.a.link.PortUp() },
			names: []string{"eth0", "carrier"},
		},
		"deleted": {
			config: testenv.Node{Interface: "eth0"},
			fail:   func(s *site) { s.a.link.Delete() },
			mend:   func(s *site) { s.a.link.Create() },
			names:  []string{"eth0"},
		},
		// As a container that is disconnected and connected again.
		"deleted, and another name": {
			fail:  func(s *site) { s.a.link.Delete() },
			mend:  func(s *site) { s.a.link = s.lan.Attach(s.a.Host(), "198.51.100.1/24") },
			names: []string{vip},
		},
		"renamed": {
			config: testenv.Node{Interface: "eth0"},
			fail:   func(s *site) { s.a.link.Rename("spare") },
			mend:   func(s *site) { s.a.link.Rename("eth0") },
			names:  []string{"eth0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, row.config, testenv.Node{})
			row.fail(s)
			s.settlesOn(s.b)
			s.a.AwaitState("initialize")
			s.explains(s.a, row.names...)

			back := time.Now()
			row.mend(s)
			s.owners.during("a takes over from b", s.soon(), func() { s.settlesOn(s.a) })
			s.listened(s.a, back)
		})
	}
}

// explains waits until m says why its virtual router is where it is, naming
// what is wrong: in the status, in its rendering for people, and in the log.
func (s *site) explains(m *member, names ...string) {
	s.Helper()
	status := m.AwaitStatus("in a position to explain itself", func(status testenv.Status) error {
		for _, name := range names {
			if reason := status.VirtualRouters[0].Reason; !strings.Contains(reason, name) {
				return fmt.Errorf("the reason %q does not name %s", reason, name)
			}
		}
		return nil
	})
	reason := status.VirtualRouters[0].Reason
	s.lab.Await("the reason to be told", limit, func() error {
		if out, err := m.CLI("status"); err != nil || !strings.Contains(out, reason) {
			return fmt.Errorf("ngha status does not tell %q: %w\n%s", reason, err, out)
		}
		if !strings.Contains(m.Process().Log(), reason) {
			return fmt.Errorf("the log does not tell %q", reason)
		}
		return nil
	})
}

// A loose cable: the node whose link comes and goes does not take the addresses
// each time, as long as another node has them.
func TestLinkThatComesAndGoesIsNotPreferred(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	var back time.Time
	for range 3 {
		s.a.link.PortDown()
		s.a.AwaitState("initialize")
		s.settlesOn(s.b)
		back = time.Now()
		s.a.link.PortUp()
		s.a.AwaitState("backup")
	}
	s.a.AwaitStatus("warned of the link", func(status testenv.Status) error {
		for _, w := range status.Warnings {
			if strings.Contains(w, "eth0 was lost again and again") {
				return nil
			}
		}
		return fmt.Errorf("warnings: %q", status.Warnings)
	})
	s.owners.during("a takes over from b", s.soon(), func() { s.settlesOn(s.a) })
	const unsteady = 4 * time.Second // after the third time
	claim := s.capture.Await("a claim of a", limit, testenv.IsAdvert(vrid), testenv.From(s.a.link), testenv.After(back))
	if waited := claim.At.Sub(back); waited < unsteady {
		t.Errorf("a took over %v after its link was back for the third time, want at least %v", waited, unsteady)
	}
	if status, err := s.a.Status(); err != nil || len(status.Warnings) > 0 {
		t.Errorf("warnings are left: %q, %v", status.Warnings, err)
	}
}

// The configuration waits for an interface that is not there yet, or for the
// one among several; nginx need not.
func TestNodeStartsBeforeItsInterface(t *testing.T) {
	const elsewhere = "203.0.113.1"
	for name, row := range map[string]struct {
		config testenv.Node
		before func(s *site, h *testenv.Host) (obstacle *testenv.Link)
		names  []string // in the reason
		mend   func(s *site, obstacle *testenv.Link)
	}{
		"named, and missing": {
			config: testenv.Node{Interface: "eth1"},
			names:  []string{"eth1"},
		},
		"unnamed, and none fits": {
			names: []string{vip},
		},
		"unnamed, and two fit": {
			before: func(s *site, h *testenv.Host) *testenv.Link {
				s.lan.Attach(h, "198.51.100.1/24")
				return s.lab.Bridge("other").Attach(h, "198.51.100.77/24")
			},
			names: []string{vip, "eth1", "eth2"},
			mend:  func(_ *site, obstacle *testenv.Link) { obstacle.Delete() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLAN(t, 0)
			s.lan.Attach(s.client, "203.0.113.9/24")
			h := s.lab.Host("a")
			s.lan.Attach(h, elsewhere+"/24")
			var obstacle *testenv.Link
			if row.before != nil {
				obstacle = row.before(s, h)
			}
			s.start(h.Links()[0], row.config)
			s.a.AwaitHealth("healthy")
			s.a.AwaitState("initialize")
			s.explains(s.a, row.names...)
			s.answers(elsewhere, s.a)

			if row.mend != nil {
				row.mend(s, obstacle)
			} else {
				s.lan.Attach(h, "198.51.100.1/24")
			}
			s.a.link = h.Links()[1]
			s.settlesOn(s.a)
		})
	}
}

// An address of the Active's own goes, and its interface with it as far as
// VRRP is concerned: there is no source to speak from.
func TestSourceAddressIsRemovedAndComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{Interface: "eth0"}, testenv.Node{})
	s.owners.during("a hands over", s.soon(), func() {
		s.a.link.Steal("198.51.100.1")
		s.settlesOn(s.b)
	})
	s.saidFarewell(s.a)
	s.a.AwaitState("initialize")
	s.explains(s.a, "eth0")
	if out, err := s.a.Run("ip", "address", "add", "198.51.100.1/24", "dev", "eth0"); err != nil {
		t.Fatal(err, out)
	}
	s.owners.during("a takes over from b", s.soon(), func() { s.settlesOn(s.a) })
}
