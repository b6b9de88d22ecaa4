package system_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// ngha is killed, and in a container nginx with it: nobody takes the address
// away but the kernel, when the lease ends.
func TestNghaKilledAsPID1(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	s.owners.during("ngha was killed", leaseOverlap(s.interval, 150), func() {
		s.a.Kill()
		s.settlesOn(s.b)
	})
	s.listened(s.a, s.failsBack("now", s.a.Start))
}

// ngha is killed and nginx survives. A new ngha takes that nginx's place.
func TestNghaKilledBesideItsNginx(t *testing.T) {
	for _, row := range []struct{ failback, release string }{{"now", ""}, {"never", ""}, {"now", "trixie"}} {
		t.Run("failback "+row.failback+" "+row.release, func(t *testing.T) {
			t.Parallel()
			s := newSiteOf(t, row.release, testenv.Node{UnderInit: true, Failback: row.failback}, testenv.Node{})
			orphans := s.a.Nginx()
			s.owners.during("ngha was killed", leaseOverlap(s.interval, 150), func() {
				s.a.Kill()
				s.settlesOn(s.b)
			})
			if now := s.a.Nginx(); !slices.Equal(now, orphans) {
				t.Fatalf("nginx was to survive: there were %v, now %v", orphans, now)
			}
			s.listened(s.a, s.failsBack(row.failback, func() {
				s.a.Start()
				s.replaced(s.a, orphans)
			}))
		})
	}
}

// replaced waits until m is healthy with an nginx of its own, and the orphans
// have gone or finish what they have begun: a connection through the address
// that has moved, of which they will hear no more.
func (s *site) replaced(m *member, orphans testenv.PIDs) {
	s.Helper()
	m.AwaitHealth("healthy")
	s.lab.Await("the new nginx in the old one's place", limit, func() error {
		now := m.Nginx()
		fresh := slices.DeleteFunc(slices.Clone(now), func(pid int) bool { return slices.Contains(orphans, pid) })
		if len(fresh) != 3 {
			return fmt.Errorf("the old one was %v, there are %v", orphans, now)
		}
		for _, pid := range now {
			title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if errors.Is(err, fs.ErrNotExist) || slices.Contains(fresh, pid) {
				continue
			}
			if err != nil || !strings.Contains(string(title), "shutting down") {
				return fmt.Errorf("process %d of the old one is %q: %w", pid, title, err)
			}
		}
		return nil
	})
	s.answers("198.51.100.1", m)
}

// A new ngha is there before anybody has noticed that the old one was killed.
// It removes the leftover address, and claims nothing.
func TestNghaKilledAndStartedAtOnce(t *testing.T) {
	t.Parallel()
	s := newLAN(t, 2*time.Second) // a lease of 6 s
	s.start(s.host(), testenv.Node{UnderInit: true, Priority: 100})
	s.settlesOn(s.a)
	s.start(s.host(), testenv.Node{Priority: 200, Failback: "never"})
	s.b.AwaitHealth("healthy")
	s.b.AwaitState("backup")
	s.watch(vip)
	orphans := s.a.Nginx()
	s.advertises(s.a, 1) // so the lease is young
	s.a.Kill()
	back := time.Now()
	s.a.Start()
	if left := s.awaitSwept(s.a.link); left < time.Second {
		t.Errorf("the leftover address was gone with %v of its lease left: it has ended by itself", left)
	}
	s.settlesOn(s.b)
	s.replaced(s.a, orphans)
	s.a.AwaitState("backup")
	s.remains(s.b, 3)
	s.listened(s.a, back)
}

// awaitSwept waits until the virtual address is gone from the host of link, and
// returns what was left of its lease when it was seen last.
func (s *site) awaitSwept(link *testenv.Link) (left time.Duration) {
	s.Helper()
	var nl *netlink.Handle
	err := link.Host().Do(func() (err error) {
		nl, err = netlink.NewHandle()
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	defer nl.Close()
	s.lab.Await("the leftover address to be removed", limit, func() error {
		addrs, err := nl.AddrList(nil, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if a.IP.String() == vip {
				left = time.Duration(a.ValidLft) * time.Second
				return errors.New("it is there")
			}
		}
		return nil
	})
	return left
}

// ngha is frozen, and thawed when others have long taken over.
func TestNghaFrozenAndThawed(t *testing.T) {
	for _, failback := range []string{"now", "never"} {
		t.Run("failback "+failback, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, testenv.Node{Failback: failback}, testenv.Node{})
			s.owners.during("ngha was frozen", leaseOverlap(s.interval, 150), func() {
				s.a.Freeze()
				s.settlesOn(s.b)
			})
			s.remains(s.b, 5)
			s.listened(s.a, s.failsBack(failback, func() {
				s.a.Thaw()
				s.a.AwaitStatus("no longer of yesterday", func(status testenv.Status) error {
					if left := status.VirtualRouters[0].Counters.LeftActive; left != 1 {
						return fmt.Errorf("it has left active %d times", left)
					}
					return nil
				})
			}))
		})
	}
}

// A Backup is frozen until its timer is overdue. What the Active has said is there
// when it thaws, but not read.
func TestBackupThatWasFrozenHearsFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	check := s.neverMoves()
	for range 4 {
		s.advertises(s.a, 1)
		s.b.Freeze()
		s.advertises(s.a, 4) // the timer allows for three and a part
		s.b.Thaw()
		s.advertises(s.a, 2)
	}
	check()
}

// A planned end: whoever comes new meanwhile is served.
func TestNghaTerminated(t *testing.T) {
	for _, row := range []struct {
		name    string
		signal  unix.Signal
		node    testenv.Node
		release string
	}{
		{"SIGTERM", unix.SIGTERM, testenv.Node{}, ""},
		{"SIGTERM under init", unix.SIGTERM, testenv.Node{UnderInit: true}, ""},
		{"SIGTERM on trixie", unix.SIGTERM, testenv.Node{}, "trixie"},
		{"SIGQUIT", unix.SIGQUIT, testenv.Node{}, ""},
		{"SIGINT", unix.SIGINT, testenv.Node{}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.node.Interval = time.Second // for which a waits at most for b to speak
			s := newSiteOf(t, row.release, row.node, testenv.Node{})
			probe := s.client.ProbeHTTP("http://"+vip+"/", 5*time.Millisecond)
			s.owners.during("a hands over", s.soon(), func() {
				s.a.Process().Signal(row.signal)
				s.settlesOn(s.b)
			})
			s.ended(s.a, 0)
			s.remains(s.b, 3)

			// Those under way when the address moves may break.
			result := probe.Stop()
			t.Log(result)
			if result.Failed() > underWay {
				t.Errorf("%d connections failed, more than can have been under way: %v", result.Failed(), result)
			}
		})
	}
}

// underWay is how many connections may be under way at once in an HTTP probe of
// 5 ms on a busy machine. In Skew_Time, for which nobody would answer if the address
// were given up before the successor has it, three times as many begin, and more.
const underWay = 8

// The Active vanishes while its successor reloads: neither is in the other's way.
func TestReloadDuringFailover(t *testing.T) {
	for name, row := range map[string]struct {
		server        string
		code          int
		generation    uint64
		configuration string
	}{
		"applied": {location("/new"), 0, 2, "current"},
		"refused": {"nonsense;", 4, 1, "stale"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, testenv.Node{}, testenv.Node{Config: byHand})
			s.b.Configure(row.server)
			told := make(chan error, 1) // its one message
			go func() {
				out, err := s.b.CLI("reload")
				if exitCode(err) != row.code || row.code != 0 && !strings.Contains(out, "nonsense") {
					err = fmt.Errorf("ngha reload: %v, want exit code %d\n%s", err, row.code, out)
				} else {
					err = nil
				}
				told <- err
			}()
			s.a.Host().PowerOff()
			s.settlesOn(s.b)
			if err := <-told; err != nil {
				t.Error(err)
			}
			s.b.AwaitStatus("as told", func(status testenv.Status) error {
				if n := status.Nginx; n.Generation != row.generation || n.Configuration != row.configuration {
					return fmt.Errorf("generation %d is %s: %s", n.Generation, n.Configuration, n.Reason)
				}
				return nil
			})
		})
	}
}

// exitCode is the exit code that err tells of; -1 for another error, and 0 for
// none.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// What nginx refuses changes nothing.
func TestRefusedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	check := s.neverMoves()
	s.a.Configure("nonsense;")
	out, err := s.a.CLI("reload")
	if exitCode(err) != 4 || !strings.Contains(out, "nonsense") {
		t.Errorf("reload of nonsense: %v, want exit code 4 and nginx's words\n%s", err, out)
	}
	s.remains(s.a, 3)
	s.a.Configure("")
	if out, err := s.a.CLI("reload"); err != nil {
		t.Errorf("reload: %v\n%s", err, out)
	}
	s.remains(s.a, 3)
	check()
}
