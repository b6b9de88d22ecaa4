package hook

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/command"
)

// call is one run of a command: when it was begun, and for what.
type call struct {
	At   time.Duration
	What string // program, virtual router, state
}

// stage is a Runner with commands that are played and not run.
type stage struct {
	*Runner
	began time.Time
	calls []call
	// play decides how a run goes; nil: at once and well. N counts the runs of
	// the same What from 1.
	play   func(ctx context.Context, what string, n int) error
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
}

// play runs body in a bubble of fake time with a stage for hooks.
func play(t *testing.T, hooks []Hook, body func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{Runner: New(hooks, nil, nil), began: time.Now(), ended: make(chan struct{})}
		s.ctx, s.cancel = context.WithCancel(t.Context())
		s.exec = func(ctx context.Context, c command.Command) (string, error) {
			what := strings.Join([]string{c.Argv[0], value(c.Env, "NGHA_NAME"), value(c.Env, "NGHA_STATE")}, " ")
			n := 1
			for _, earlier := range s.calls {
				if earlier.What == what {
					n++
				}
			}
			s.calls = append(s.calls, call{time.Since(s.began), what})
			if s.play == nil {
				return "", nil
			}
			return "", s.play(ctx, what, n)
		}
		go func() {
			defer close(s.ended)
			s.Run(s.ctx)
		}()
		defer func() {
			s.cancel()
			<-s.ended
		}()
		body(t, s)
	})
}

// pass lets d pass.
func (s *stage) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *stage) want(t *testing.T, want ...call) {
	t.Helper()
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

func value(env []string, key string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}

func event(name, state string) Event { return Event{Name: name, State: state} }

const sec = time.Second

var (
	errExit = errors.New("exit status 1")
	both    = []Hook{
		{On: []string{"active", "backup", "stopped"}, Exec: []string{"move"}},
		{On: []string{"active"}, Exec: []string{"page"}},
	}
)

func TestHooksRunForTheStatesTheyName(t *testing.T) {
	play(t, both, func(t *testing.T, s *stage) {
		s.Set(event("web", "backup"))
		s.pass(sec)
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("mail", "backup"))
		s.pass(time.Hour)
		s.want(t, call{0, "move web backup"}, call{sec, "move web active"}, call{sec, "page web active"}, call{2 * sec, "move mail backup"})
		if runs, failed := s.Counts(); runs != 4 || failed != 0 {
			t.Errorf("Counts = %d, %d, want 4, 0", runs, failed)
		}
	})
}

func TestFailedHookRunsAgainUntilItSucceeds(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(_ context.Context, _ string, n int) error {
			if n < 9 {
				return errExit
			}
			return nil
		}
		s.Set(event("web", "active"))
		s.pass(time.Hour)
		var want []call
		for _, at := range []time.Duration{0, 1, 3, 7, 15, 31, 61, 91, 121} { // waits of 1, 2, 4, 8, 16, 30, 30 ...
			want = append(want, call{at * sec, "move web active"})
		}
		s.want(t, want...)
		if runs, failed := s.Counts(); runs != 9 || failed != 8 {
			t.Errorf("Counts = %d, %d, want 9, 8", runs, failed)
		}
	})
}

func TestNewStateStartsWithAFreshBackOff(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { return errExit }
		s.Set(event("web", "active"))
		s.pass(10 * sec)
		s.Set(event("web", "backup"))
		s.pass(2 * sec)
		s.want(t, call{0, "move web active"}, call{sec, "move web active"}, call{3 * sec, "move web active"}, call{7 * sec, "move web active"},
			call{10 * sec, "move web backup"}, call{11 * sec, "move web backup"})
	})
}

func TestNewerStateReplacesOneThatWaits(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { <-time.After(5 * sec); return nil }
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("web", "backup")) // never runs
		s.pass(sec)
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("web", "stopped"))
		s.pass(time.Hour)
		s.want(t, call{0, "move web active"}, call{5 * sec, "move web stopped"})
	})
}

func TestFailureForAStateThatHasPassedIsNotRunAgain(t *testing.T) {
	play(t, both[1:], func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { <-time.After(5 * sec); return errExit }
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("web", "backup"))
		s.pass(time.Hour)
		s.want(t, call{0, "page web active"})
		if runs, failed := s.Counts(); runs != 1 || failed != 1 {
			t.Errorf("Counts = %d, %d, want 1, 1", runs, failed)
		}
	})
}

func TestFailureForAnEarlierRoundOfTheSameStateLeavesTheNewOneDue(t *testing.T) {
	play(t, both[1:], func(t *testing.T, s *stage) {
		s.play = func(_ context.Context, _ string, n int) error {
			<-time.After(5 * sec)
			if n == 1 {
				return errExit
			}
			return nil
		}
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("web", "backup"))
		s.Set(event("web", "active"))
		s.pass(time.Hour)
		s.want(t, call{0, "page web active"}, call{5 * sec, "page web active"})
	})
}

func TestOneCommandRunsAtATime(t *testing.T) {
	play(t, both, func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { <-time.After(3 * sec); return nil }
		s.Set(event("web", "active"))
		s.Set(event("mail", "active"))
		s.pass(time.Hour)
		s.want(t, call{0, "move web active"}, call{3 * sec, "page web active"}, call{6 * sec, "move mail active"}, call{9 * sec, "page mail active"})
	})
}

func TestFailingHookDoesNotHoldUpOthers(t *testing.T) {
	play(t, both, func(t *testing.T, s *stage) {
		s.play = func(_ context.Context, what string, n int) error {
			if what == "move web active" && n < 3 {
				return errExit
			}
			return nil
		}
		s.Set(event("web", "active"))
		s.Set(event("mail", "backup"))
		s.pass(time.Hour)
		s.want(t, call{0, "move web active"}, call{0, "page web active"}, call{0, "move mail backup"},
			call{sec, "move web active"}, call{3 * sec, "move web active"})
	})
}

func TestHookIsEndedAtItsTimeout(t *testing.T) {
	hooks := []Hook{{On: []string{"active"}, Exec: []string{"short"}, Timeout: 2 * sec}, {On: []string{"active"}, Exec: []string{"default"}}}
	play(t, hooks, func(t *testing.T, s *stage) {
		s.play = func(ctx context.Context, _ string, n int) error {
			if n > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		s.Set(event("web", "active"))
		s.pass(time.Hour)
		s.want(t, call{0, "short web active"}, call{2 * sec, "default web active"}, call{12 * sec, "short web active"}, call{13 * sec, "default web active"})
	})
}

func TestAgainRunsTheHooksOfAnActiveOnceMore(t *testing.T) {
	play(t, both, func(t *testing.T, s *stage) {
		s.Set(event("web", "active"))
		s.pass(20 * sec)
		s.Again("web")
		s.pass(sec)
		s.want(t, call{0, "move web active"}, call{0, "page web active"}, call{20 * sec, "move web active"}, call{20 * sec, "page web active"})
	})
}

func TestAgainIsPaced(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.Set(event("web", "active"))
		for range 12 { // a contradiction each second, for twelve seconds
			s.pass(sec)
			s.Again("web")
		}
		s.pass(time.Hour)
		s.want(t, call{0, "move web active"}, call{5 * sec, "move web active"}, call{10 * sec, "move web active"}, call{15 * sec, "move web active"})
	})
}

func TestAgainWhileTheHookRunsComesAfterIt(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { <-time.After(8 * sec); return nil }
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Again("web")
		s.pass(time.Hour)
		s.want(t, call{0, "move web active"}, call{8 * sec, "move web active"})
	})
}

func TestAgainConcernsAnActiveOnly(t *testing.T) {
	play(t, both, func(t *testing.T, s *stage) {
		s.Again("web") // not heard of yet
		s.Set(event("web", "backup"))
		s.pass(20 * sec)
		s.Again("web")
		s.Again("mail")
		s.pass(time.Hour)
		s.want(t, call{0, "move web backup"})
	})
}

func TestDrainWaitsForTheStoppedHooks(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(_ context.Context, what string, n int) error {
			<-time.After(2 * sec)
			if what == "move web stopped" && n == 1 {
				return errExit
			}
			return nil
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Errorf("Drain with nothing to do: %v", err)
		}
		s.Set(event("web", "active"))
		s.pass(sec)
		s.Set(event("web", "stopped"))
		s.Set(event("mail", "stopped"))
		if err := s.Drain(t.Context()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		s.want(t, call{0, "move web active"}, call{2 * sec, "move web stopped"}, call{4 * sec, "move mail stopped"}, call{6 * sec, "move web stopped"})
		if at := time.Since(s.began); at != 8*sec {
			t.Errorf("Drain returned at %v, want 8s, with the last run", at)
		}
	})
}

func TestDrainGivesUpAndNamesTheHook(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		s.play = func(context.Context, string, int) error { return errExit }
		s.Set(event("web", "stopped"))
		ctx, cancel := context.WithTimeout(t.Context(), 4*sec)
		defer cancel()
		err := s.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "hook move has not succeeded for web stopped") {
			t.Errorf("Drain = %v, want the hook's name and that time was up", err)
		}
	})
}

func TestRunKillsTheCommandAtItsEnd(t *testing.T) {
	play(t, both[:1], func(t *testing.T, s *stage) {
		var got error
		s.play = func(ctx context.Context, _ string, _ int) error {
			<-ctx.Done()
			got = ctx.Err()
			return got
		}
		s.Set(event("web", "active"))
		s.pass(sec)
		s.cancel()
		<-s.ended
		if !errors.Is(got, context.Canceled) {
			t.Errorf("the command's context ended with %v, want that it was canceled", got)
		}
		s.Set(event("web", "backup")) // does not block with nobody to run it
	})
}
