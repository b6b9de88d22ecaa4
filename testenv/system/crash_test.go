package system_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// busy is the load of an nginx that has to do, by strangers, by clients who keep
// their connections, and by some who download. What must not happen does not
// happen at any rate: testenv/bench has the higher ones.
var busy = testenv.Clients{New: 250, KeepAlive: 4, Think: 20 * time.Millisecond, Downloads: 2}

// Crashes are repaired where they happen: the address stays, nobody is refused,
// and nothing fails but what a killed worker was serving.
func TestCrashedNginxIsRepairedInPlace(t *testing.T) {
	for name, row := range map[string]struct {
		victims  func(*member) testenv.PIDs
		restarts uint64
		cuts     bool // a worker is killed
	}{
		"master":             {func(m *member) testenv.PIDs { return m.NginxMaster() }, 1, false},
		"master and workers": {func(m *member) testenv.PIDs { return m.Nginx() }, 1, true},
		"workers":            {func(m *member) testenv.PIDs { return m.NginxWorkers() }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachRelease(t, func(t *testing.T, release string) {
				s := newSiteOf(t, release, testenv.Node{Config: unhurried, Interval: time.Second}, testenv.Node{})
				check := s.neverMoves()
				load := s.client.StartLoad("http://"+vip+"/", busy)
				load.Await(20)

				victims := row.victims(s.a)
				if err := victims.Signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				dead := s.awaitEnd(victims)
				s.renewed(s.a, victims)
				s.a.AwaitStatus("repaired", func(status testenv.Status) error {
					if !status.Health.Healthy || status.Nginx.Restarts != row.restarts {
						return fmt.Errorf("it is %s after %d restarts", status.Health.State, status.Nginx.Restarts)
					}
					return nil
				})
				load.Await(50)
				load.AwaitDownloads()
				s.settlesOn(s.a)
				s.remains(s.a, 2)
				check()

				if !row.cuts {
					dead = time.Time{}
				}
				s.lost(load.Stop(), dead)
			})
		})
	}
}

// lost wants nobody to have been refused, and nothing to have failed but what
// was begun before the instant. Zero: nothing at all.
func (s *site) lost(seen testenv.LoadResult, cut time.Time) {
	s.Helper()
	s.Log(seen)
	bad := seen.All().Where(func(r testenv.Sample) bool {
		return r.Failure != "" && (strings.Contains(r.Failure, "refused") || r.Started.After(cut))
	})
	if len(bad.Samples) > 0 {
		s.Errorf("failed although it should not: %v, the first one begun %v after workers were dead", bad.Failures(), bad.Samples[0].Started.Sub(cut))
	}
}

// awaitEnd waits for the end of processes that have been killed, and returns
// when it was seen.
func (s *site) awaitEnd(victims testenv.PIDs) time.Time {
	s.Helper()
	s.lab.Await("the end of what was killed", limit, func() error {
		if living := victims.Living(); len(living) > 0 {
			return fmt.Errorf("%v live", living)
		}
		return nil
	})
	return time.Now()
}

// renewed waits until m's nginx is whole again, without those who were killed.
// Workers of theirs may finish what they serve.
func (s *site) renewed(m *member, killed testenv.PIDs) {
	s.Helper()
	s.lab.Await("other processes", limit, func() error {
		masters, now := m.NginxMaster(), m.Nginx()
		if len(masters) != 1 || len(now) < 3 || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(killed, pid) }) {
			return fmt.Errorf("killed were %v, there are %v with the master %v", killed, now, masters)
		}
		return nil
	})
}
