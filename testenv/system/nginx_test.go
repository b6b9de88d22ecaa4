package system_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// nginx dies and its configuration no longer holds, nor is there a copy. Once that is mended, the
// node is as good as before.
func TestNginxDiesWithBrokenConfigurationAndIsMended(t *testing.T) {
	for _, failback := range []string{"now", "never"} {
		t.Run("failback "+failback, func(t *testing.T) {
			t.Parallel()
			node := testenv.Node{Failback: failback, Config: "nginx: {restarts: 60}\n"}
			s := newSite(t, node, node)
			s.owners.during("a hands over", s.soon(), func() {
				s.breakNginx(s.a)
				s.settlesOn(s.b)
			})
			s.a.AwaitHealth("ill")

			s.failsBack(failback, func() {
				s.a.Configure("")
				if out, err := s.a.CLI("reload"); err != nil {
					t.Errorf("ngha reload: %v\n%s", err, out)
				}
			})
		})
	}
}

// lastGood is where a node keeps its copy of the last good configuration unless
// it is told.
const lastGood = "/run/ngha/ngha.nginx-lastgood"

// awaitCopy waits until m has its copy of the last good configuration, in a
// folder.
func (s *site) awaitCopy(m *member, folder string) {
	s.Helper()
	s.lab.Await("a copy of the configuration", limit, func() error {
		_, err := m.Run("test", "-e", folder+"/lastgood.json")
		return err
	})
}

// breakNginx kills every process of m's nginx and keeps it from starting again:
// its configuration no longer holds, nor is there a copy.
func (s *site) breakNginx(m *member) {
	s.Helper()
	s.awaitCopy(m, lastGood)
	m.Configure("nonsense;")
	if out, err := m.Run("rm", "-r", lastGood); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	if err := m.Nginx().Signal(unix.SIGKILL); err != nil {
		s.Fatal(err)
	}
}

// Nothing serves any more and the budget of restarts is spent: ngha gives up
// and leaves nothing behind.
func TestRestartBudgetSpent(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{UnderInit: true, Config: "nginx: {restarts: 2}\n"}, testenv.Node{})
	s.owners.during("a hands over", s.soon(), func() {
		s.breakNginx(s.a)
		s.settlesOn(s.b)
	})
	s.ended(s.a, 3)
	s.remains(s.b, 5)
}

// ended waits for the end of m's ngha with the exit code, and wants nothing to
// be left of the node.
func (s *site) ended(m *member, code int) {
	s.Helper()
	if state := m.Process().AwaitExit(); state.ExitCode() != code {
		s.Errorf("%s ended with %v, want exit code %d", m.name, state, code)
	}
	if left := m.Nginx(); len(left) > 0 {
		s.Errorf("%s has left processes of nginx: %v", m.name, left)
	}
	if holds, err := m.Host().Holds(vip); holds || err != nil {
		s.Errorf("%s has left the address: %t, %v", m.name, holds, err)
	}
}

// nginx lives and does not answer: the peer takes over, and the node heals
// itself.
func TestFrozenNginxIsReplaced(t *testing.T) {
	for _, failback := range []string{"now", "never"} {
		t.Run("failback "+failback, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, testenv.Node{Failback: failback}, testenv.Node{Failback: failback})
			frozen := s.a.Nginx()
			s.owners.during("a hands over", s.soon(), func() {
				if err := frozen.Signal(unix.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				s.settlesOn(s.b)
			})
			s.failsBack(failback, func() {}) // by itself
			for _, pid := range s.a.Nginx() {
				if slices.Contains(frozen, pid) {
					t.Errorf("process %d was frozen and is still there", pid)
				}
			}
		})
	}
}

// Who stops nginx means the node.
func TestNginxStoppedByHandEndsTheNode(t *testing.T) {
	for _, row := range []struct{ word, release string }{{"quit", ""}, {"stop", ""}, {"quit", "trixie"}} {
		t.Run(row.word+" "+row.release, func(t *testing.T) {
			t.Parallel()
			s := newSiteOf(t, row.release, testenv.Node{UnderInit: true}, testenv.Node{})
			if out, err := s.a.Run("nginx", "-e", "/dev/null", "-c", s.a.NginxConf(), "-s", row.word); err != nil {
				t.Fatalf("nginx -s %s: %v\n%s", row.word, err, out)
			}
			s.settlesOn(s.b)
			s.ended(s.a, 0)
			s.remains(s.b, 5)
		})
	}
}

// fitness is a check that a test turns on and off.
type fitness struct{ path string }

func newFitness(s *site, name string) fitness {
	f := fitness{filepath.Join(s.lab.Dir(), name+".fit")}
	f.set(s, true)
	return f
}

func (f fitness) set(s *site, fit bool) {
	s.Helper()
	var err error
	if fit {
		err = os.WriteFile(f.path, nil, 0o644)
	} else {
		err = os.Remove(f.path)
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (f fitness) config() string {
	return fmt.Sprintf("checks: [{name: fit, exec: [/usr/bin/test, -e, %q], interval: 50ms, timeout: 10s, rise: 1, fall: 1}]\n", f.path)
}

// Degraded beats absent, unless the configuration says otherwise.
func TestBothNodesIll(t *testing.T) {
	for _, row := range []struct{ unhealthy, failback string }{
		{"last-resort", "now"},
		{"last-resort", "never"}, // which is about healthy nodes
		{"release", "now"},
	} {
		t.Run(row.unhealthy+" failback "+row.failback, func(t *testing.T) {
			t.Parallel()
			s := newLAN(t, 0)
			fitA, fitB := newFitness(s, "a"), newFitness(s, "b")
			s.start(s.host(), testenv.Node{Unhealthy: row.unhealthy, Failback: row.failback, Config: fitA.config()})
			s.settlesOn(s.a)
			s.start(s.host(), testenv.Node{Unhealthy: row.unhealthy, Failback: row.failback, Config: fitB.config()})
			s.b.AwaitHealth("healthy")
			s.b.AwaitState("backup")
			s.watch(vip)

			s.owners.during("a hands over", s.soon(), func() {
				fitA.set(s, false)
				s.settlesOn(s.b)
			})
			fitB.set(s, false)
			if row.unhealthy == "release" {
				s.b.AwaitGone(vip)
				s.holders(0)
			} else {
				s.capture.Await("an advertisement of last resort", limit, testenv.IsAdvert(vrid), testenv.WithPriority(1))
				s.holders(1)
				s.lab.Await("somebody to serve", limit, func() error {
					_, err := ask(s.client, vip)
					return err
				})
			}
			s.owners.during("b has recovered", s.soon(), func() {
				fitB.set(s, true)
				s.settlesOn(s.b)
			})
			s.failsBack(row.failback, func() { fitA.set(s, true) })
		})
	}
}

// holders waits until both nodes are ill and wants so many of them to hold the
// address for a while.
func (s *site) holders(want int) {
	s.Helper()
	count := func() (n int) {
		s.Helper()
		for _, m := range s.nodes {
			holds, err := m.Host().Holds(vip)
			if err != nil {
				s.Fatal(err)
			}
			if holds {
				n++
			}
		}
		return n
	}
	for _, m := range s.nodes {
		m.AwaitHealth("ill")
	}
	s.lab.Await(fmt.Sprintf("%d nodes to hold the address", want), limit, func() error {
		if n := count(); n != want {
			return fmt.Errorf("%d hold it", n)
		}
		return nil
	})
	// An ARP request is asked every so often: it measures the time.
	asked := len(s.owners.probes[vip].Result())
	s.lab.Await("time to pass", limit, func() error {
		if n := count(); n != want {
			s.Fatalf("%d nodes hold the address, want %d", n, want)
		}
		if passed := time.Duration(len(s.owners.probes[vip].Result())-asked) * arpPace; passed < 5*s.interval {
			return fmt.Errorf("%v have passed", passed)
		}
		return nil
	})
}
