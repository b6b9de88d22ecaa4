package system_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// Reloads one after the other, under load: nobody notices. Who keeps a
// connection may have to ask twice, as HTTP has it.
func TestReloadsFailNoRequest(t *testing.T) {
	const reloads = 30
	testenv.EachRelease(t, func(t *testing.T, release string) {
		s := newSiteOf(t, release, testenv.Node{Config: byHand, Interval: time.Second}, testenv.Node{})
		check := s.neverMoves()
		load := s.client.StartLoad("http://"+vip+"/", busy)
		load.Await(20)
		for i := range reloads {
			s.a.Configure(fmt.Sprintf(`add_header X-Reload %d always;`, i))
			if got, err := s.a.Reload(); err != nil || !got.Applied {
				t.Fatalf("reload %d: %+v, %v", i, got, err)
			}
		}
		load.AwaitDownloads()
		s.lost(load.Stop(), time.Time{})
		s.settlesOn(s.a)
		check()
		s.a.AwaitStatus("reloaded", func(status testenv.Status) error {
			if n := status.Nginx; n.Generation != 1+reloads || n.Reloads != reloads || n.ReloadsFailed > 0 || n.Restarts > 0 {
				return fmt.Errorf("%+v", n)
			}
			return nil
		})
	})
}

// Many callers at once, while the configuration changes and for a while is
// broken: each is told the truth, and nothing is left of them.
func TestManyCallersAreToldTheTruth(t *testing.T) {
	storm := testenv.ReloadStorm{Calls: 500, Clients: 50, Programs: 20}
	testenv.EachRelease(t, func(t *testing.T, release string) {
		s := newSiteOf(t, release, testenv.Node{Config: byHand, Interval: time.Second}, testenv.Node{})
		check := s.neverMoves()
		before := s.usage(s.a)
		truth := s.a.StormReloads(storm)
		t.Logf("%d applied in %d generations, %d refused, in %v", truth.Applied, truth.Generations, truth.Refused, truth.Took)
		for _, untrue := range truth.Untrue {
			t.Error(untrue)
		}
		if truth.Applied < storm.Calls/5 || truth.Refused < storm.Calls/20 || truth.Generations < 2 {
			t.Error("too little of each to tell")
		}
		s.configuration("current", false)
		s.lab.Await("what the callers used to be free again", limit, func() error {
			after := s.usage(s.a)
			if after.Descriptors > before.Descriptors || after.Goroutines > before.Goroutines {
				return fmt.Errorf("before %+v, after %+v", before, after)
			}
			return nil
		})
		s.settlesOn(s.a)
		check()
	})
}

func (s *site) usage(m *member) testenv.Usage {
	s.Helper()
	u, err := m.Usage()
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// As process 1 of a container ngha is given others' orphans. It buries them all,
// and takes the exit status of none of its own children for an orphan's.
func TestOrphansAreReapedAndNobodyElse(t *testing.T) {
	t.Parallel()
	const count = 1000
	s := newLAN(t, time.Second)
	// A status that was stolen is a check that fails.
	s.start(s.host(), testenv.Node{Config: byHand + `checks:
  - {name: one, exec: [/bin/true], interval: 20ms, timeout: 20s, rise: 1, fall: 1}
  - {name: other, exec: [/bin/true], interval: 20ms, timeout: 20s, rise: 1, fall: 1}
`})
	s.settlesOn(s.a)
	check := s.neverMoves()
	born := make(chan error, 1) // its one message
	go func() { born <- s.a.Orphan(count) }()
	for reloads := 0; born != nil; reloads++ {
		// nginx's own words are told by its exit status.
		s.a.Configure("nonsense;")
		if out, err := s.a.CLI("reload"); exitCode(err) != 4 {
			t.Fatalf("reload of nonsense: %v, want exit code 4\n%s", err, out)
		}
		s.a.Configure("")
		if out, err := s.a.CLI("reload"); err != nil {
			t.Fatalf("reload: %v\n%s", err, out)
		}
		select {
		case err := <-born:
			if err != nil {
				t.Fatal(err)
			}
			born = nil
		default:
		}
	}
	master := s.a.NginxMaster()
	if err := master.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.renewed(s.a, master)
	s.a.AwaitStatus("repaired once", func(status testenv.Status) error {
		if !status.Health.Healthy || status.Nginx.Restarts != 1 {
			return fmt.Errorf("it is %s after %d restarts", status.Health.State, status.Nginx.Restarts)
		}
		return nil
	})
	s.lab.Await("the orphans to be reaped", limit, func() error {
		left, err := s.a.Zombies()
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d zombies", len(left))
		}
		return err
	})
	check()

	// The end of the orphans' nginx is one of its own accord, and so is ngha's.
	if out, err := s.a.Run("nginx", "-e", "/dev/null", "-c", s.a.NginxConf(), "-s", "quit"); err != nil {
		t.Fatalf("nginx -s quit: %v\n%s", err, out)
	}
	if state := s.a.Process().AwaitExit(); state.ExitCode() != 0 {
		t.Errorf("ngha ended with %v, want exit code 0", state)
	}
}
