package system_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// What is on disk is broken, and then something dies: what served last goes on
// serving until the files are mended.
func TestBrokenConfigurationNeverTakesDownAServingNginx(t *testing.T) {
	kill := func(s *site, victims testenv.PIDs) (dead time.Time) {
		if err := victims.Signal(unix.SIGKILL); err != nil {
			s.Fatal(err)
		}
		dead = s.awaitEnd(victims)
		s.renewed(s.a, victims)
		return dead
	}
	for name, row := range map[string]struct {
		// hurt returns when workers were dead; zero: nothing may fail.
		hurt   func(s *site) time.Time
		copied bool // nginx runs from the copy of its last good configuration then
		silent bool // nobody can serve meanwhile
	}{
		"master": {copied: true, hurt: func(s *site) time.Time {
			kill(s, s.a.NginxMaster())
			return time.Time{}
		}},
		"master and workers": {copied: true, hurt: func(s *site) time.Time { return kill(s, s.a.Nginx()) }},
		"workers":            {hurt: func(s *site) time.Time { return kill(s, s.a.NginxWorkers()) }},
		"ngha": {copied: true, hurt: func(s *site) time.Time {
			orphans := s.a.Nginx()
			s.a.Kill()
			s.a.Start()
			s.replaced(s.a, orphans)
			return time.Time{}
		}},
		"the machine": {copied: true, silent: true, hurt: func(s *site) time.Time {
			s.a.Host().PowerOff()
			s.a.Host().PowerOn()
			s.a.Start()
			return time.Time{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachRelease(t, func(t *testing.T, release string) {
				s := newLAN(t, time.Second)
				s.release = release
				state := filepath.Join(s.lab.Dir(), "state")
				s.start(s.host(), testenv.Node{
					UnderInit: true,
					Server:    location("/last"),
					Config:    fmt.Sprintf("nginx: {repair: 20s, settle: 100ms, state: %s}\n", state),
				})
				s.settlesOn(s.a)
				s.awaitCopy(s.a, state)
				s.a.Configure("nonsense;")
				s.configuration("stale", false)
				var load *testenv.Load
				if !row.silent {
					load = s.client.StartLoad("http://198.51.100.1/", busy)
					load.Await(20)
				}

				cut := row.hurt(s)
				s.configuration("stale", row.copied)
				s.serves("/last")
				if load != nil {
					load.Await(20)
					s.lost(load.Stop(), cut)
				}

				s.a.Configure(location("/new"))
				s.configuration("current", false)
				s.serves("/new")
				s.settlesOn(s.a)
			})
		})
	}
}

func location(path string) string { return fmt.Sprintf(`location = %s { return 204; }`, path) }

// serves waits until a's nginx has a location. Old workers may answer once more.
func (s *site) serves(path string) {
	s.Helper()
	s.lab.Await("nginx to have "+path, limit, func() error {
		out, err := s.a.Run("curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1"+path)
		if err == nil && out != "204" {
			err = fmt.Errorf("it answers %s", out)
		}
		return err
	})
}

// configuration waits until a is healthy and its configuration as wanted, with
// nginx's words where it is stale.
func (s *site) configuration(want string, copied bool) {
	s.Helper()
	s.a.AwaitStatus(want, func(status testenv.Status) error {
		n := status.Nginx
		if !status.Health.Healthy || n.Configuration != want || n.Copy != copied ||
			strings.Contains(n.Reason, "nonsense") != (want == "stale") {
			return fmt.Errorf("it is %s, and %+v", status.Health.State, n)
		}
		return nil
	})
}
