package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl"
	"ngha/nginxctl/nginxtest"
	"ngha/supervisor/config"
	"ngha/supervisor/health"
	"ngha/supervisor/status"
	"ngha/vrrp/router"
)

// newLoop returns a Supervisor whose loop can be run by itself, and whose
// nginx is started by command.
func newLoop(t *testing.T, command ...string) *Supervisor {
	t.Helper()
	s, err := New(config.Config{
		Nginx:   config.Nginx{Command: command, Repair: time.Second, Restarts: 5, Shutdown: 9 * time.Second},
		Control: config.Control{Socket: t.TempDir() + "/ngha.sock"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRestartsKeepTheirPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLoop(t, "/nowhere/nginx")
		begun := time.Now()
		s.node.restartAt = begun
		s.loop(t.Context(), nil)
		if !errors.Is(s.ending.cause, ErrGivenUp) {
			t.Errorf("the loop ended by %v, want ErrGivenUp", s.ending.cause)
		}
		if diff := cmp.Diff(3750*time.Millisecond, time.Since(begun)); diff != "" {
			t.Errorf("time until it gave up (-want +got):\n%s", diff)
		}
	})
}

func TestReloadWhileNginxIsDownIsAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLoop(t, "/nowhere/nginx")
		s.node.restartAt = time.Now().Add(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.loop(ctx, nil)
		}()
		defer func() { cancel(); <-done; s.abandon() }()
		got, err := s.Reload(t.Context())
		if err != nil || got.Applied || got.Reason == "" {
			t.Errorf("reload: %+v, %v; want the reason why nginx was not started", got, err)
		}
	})
}

// The fix is a reason to start at once, and not only when the next attempt is
// due.
func TestChangedFilesWhileNginxIsDownAreTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLoop(t, "/nowhere/nginx")
		s.node.restartAt = time.Now().Add(time.Hour)
		s.filesChanged(nginxctl.Changed{Paths: []string{"/etc/nginx/nginx.conf"}})
		if diff := cmp.Diff(time.Now(), s.node.restartAt); diff != "" {
			t.Errorf("when nginx is started (-want +got):\n%s", diff)
		}
	})
}

// What was measured of a master that has ended says nothing of the next one.
func TestStartIsNotTakenForAFrozenNginx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLoop(t, "/nowhere/nginx")
		s.node.phase, s.node.master = phaseRunning, new(nginxctl.Master)
		s.node.frozenAt = time.Now().Add(time.Second)
		s.masterEnded()
		s.node.phase = phaseStarting
		var cancelled error
		s.do(func(ctx context.Context) func() {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			cancelled = ctx.Err()
			return func() {}
		})
		time.Sleep(2 * time.Second) // fake time
		s.tick(time.Now())
		(<-s.jobs)()
		if cancelled != nil {
			t.Errorf("the start was ended: %v", cancelled)
		}
	})
}

func TestMasterStoppedFromOutsideLeavesNothingToWaitFor(t *testing.T) {
	nginxtest.Require(t, "nginx")
	s := newLoop(t)
	site := nginxtest.NewSite(t, nginxtest.Config{})
	m, err := nginxctl.Nginx{Command: site.Command()}.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err := m.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	s.node.phase, s.node.master = phaseRunning, m
	s.masterEnded()
	if s.ending == nil || !s.ending.outside || s.ending.cause != nil {
		t.Errorf("ending: %+v, want an orderly one from outside", s.ending)
	}
}

// The two are the same by meaning, and no package below both is theirs.
func TestLatenessIsShownByTheBoundsItIsMeasuredBy(t *testing.T) {
	if diff := cmp.Diff(router.LatenessBounds[:], status.LatenessBounds); diff != "" {
		t.Errorf("bounds (-measured +shown):\n%s", diff)
	}
}

// A process that was stopped, or not let run, has heard nobody in that time. What
// it would have heard comes a moment later.
func TestTimeThatTheLoopMissesIsNoSilenceOfNginx(t *testing.T) {
	const missed = time.Minute / 2
	for name, row := range map[string]struct {
		before func(*Supervisor)
		want   health.State
	}{
		"during a repair": {func(*Supervisor) {}, health.Repairing},
		"while orphans serve": {func(s *Supervisor) {
			s.node.givenUp = ErrGivenUp
			s.observe(health.GivenUp{})
		}, health.Ill},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := repairing(t)
				row.before(s)
				over := make(chan struct{})
				go func() {
					defer close(over)
					s.loop(t.Context(), nil)
				}()
				stall := func() { time.Sleep(missed) } // in the loop, in fake time
				for turn := range 20 {
					if turn == 10 {
						s.jobs <- stall
						time.Sleep(missed + 50*time.Millisecond)
					}
					select {
					case s.answers <- health.Result[answer]{}:
					case <-over:
						t.Fatalf("the loop ended by %v", s.ending.cause)
					}
					time.Sleep(200 * time.Millisecond)
				}
				if got := s.Status().Health; got.State != row.want.String() {
					t.Errorf("health: %+v, want %v", got, row.want)
				}
				// What it does not miss is.
				begun := time.Now()
				if row.want == health.Repairing {
					for s.Status().Health.State == row.want.String() {
						time.Sleep(time.Millisecond)
						synctest.Wait()
					}
				} else {
					<-over
				}
				if diff := cmp.Diff(800*time.Millisecond, time.Since(begun)); diff != "" {
					t.Errorf("silence until the verdict (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// repairing returns a Supervisor whose nginx has lost its master a moment ago.
func repairing(t *testing.T) *Supervisor {
	t.Helper()
	s := newLoop(t, "/nowhere/nginx")
	s.node.nginx.Generation = 1
	s.node.restartAt = time.Now().Add(time.Hour)
	for _, ev := range []health.Event{health.MasterStarted{}, health.ProbeOK{}, health.ProbeOK{}, health.MasterDied{}} {
		s.observe(ev)
	}
	s.node.answered = time.Now()
	return s
}
