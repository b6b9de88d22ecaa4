package health

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// TestGateInvariants drives gates with random events at random times and holds
// each verdict against a plain account of what has happened.
func TestGateInvariants(t *testing.T) {
	for seed := range uint64(2000) {
		g := Gate{Rise: int(seed % 4), Fall: int(seed / 4 % 4), Orphans: 5 * time.Second}
		if seed%3 == 0 {
			g.Checks = []string{"a", "b"}
		}
		if problem := drive(&g, rand.New(rand.NewPCG(seed, 0)), 300); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
}

// account is what a reader of the events remembers.
type account struct {
	master   bool
	okRun    int
	badRun   int
	failing  map[string]bool
	unknown  map[string]bool
	begun    time.Time // as are the next ones, later by what was missed
	answered time.Time
	repair   time.Time // when Repairing was entered
}

func drive(g *Gate, r *rand.Rand, steps int) (problem string) {
	now := epoch
	acc := account{begun: now, failing: map[string]bool{}, unknown: map[string]bool{}}
	for _, name := range g.Checks {
		acc.unknown[name] = true
	}
	prev, _ := g.Observe(now, Tick{})
	for range steps {
		ev := randomEvent(r)
		if d := g.Deadline(); !d.IsZero() && r.IntN(3) == 0 {
			now, ev = d, Tick{} // as its owner does
		} else {
			passed := time.Duration(r.IntN(700)) * time.Millisecond
			now = now.Add(passed)
			if r.IntN(20) == 0 {
				ev = Missed{time.Duration(r.Int64N(int64(passed) + 1))}
			}
		}
		if _, isTick := ev.(Tick); isTick && now.Before(g.Deadline()) {
			if _, changed := g.Observe(now, Tick{}); changed {
				return "a Tick before the deadline changed the verdict"
			}
		}
		acc.note(now, ev)
		v, changed := g.Observe(now, ev)
		if problem = acc.judge(g, now, ev, prev, v, changed); problem != "" {
			return problem
		}
		if v.State == Repairing && prev.State != Repairing {
			acc.repair = now
		}
		prev = v
	}
	return ""
}

func randomEvent(r *rand.Rand) Event {
	name := string(rune('a' + r.IntN(2)))
	switch n := r.IntN(100); {
	case n < 45:
		return ProbeOK{}
	case n < 65:
		return ProbeFailed{errors.New("no answer")}
	case n < 77:
		return MasterStarted{}
	case n < 84:
		return MasterDied{errors.New("killed")}
	case n < 86:
		return GivenUp{}
	case n < 88:
		return Reset{}
	case n < 91:
		return CheckFailed{name, "no"}
	case n < 97:
		return CheckPassed{name}
	default:
		return Tick{}
	}
}

func (a *account) note(now time.Time, ev Event) {
	switch ev := ev.(type) {
	case ProbeOK:
		a.okRun, a.badRun, a.answered = a.okRun+1, 0, now
	case ProbeFailed:
		a.okRun, a.badRun = 0, a.badRun+1
	case Missed:
		for _, at := range []*time.Time{&a.begun, &a.answered, &a.repair} {
			*at = at.Add(ev.For)
		}
	case MasterStarted:
		a.master = true
	case MasterDied, Reset:
		a.master = false
	case CheckFailed:
		a.failing[ev.Name] = true
		delete(a.unknown, ev.Name)
	case CheckPassed:
		delete(a.failing, ev.Name)
		delete(a.unknown, ev.Name)
	}
}

func (a *account) judge(g *Gate, now time.Time, ev Event, prev, v Verdict, changed bool) string {
	entered := v.State != prev.State
	switch {
	case v.Reason == "":
		return "no reason"
	case changed != (entered || v.Reason != prev.Reason):
		return "changed does not tell whether the verdict changed"
	case entered && !v.Since.Equal(now), !entered && !v.Since.Equal(prev.Since):
		return "Since is not when the state was entered"
	case !g.Deadline().IsZero() && !g.Deadline().After(now):
		return "a deadline that has passed: its owner would spin"
	case len(a.failing) > 0 && v.State != Ill:
		return "not ill with a failing check"
	case v.State == Healthy && (!a.master || len(a.unknown) > 0):
		return "healthy without a master or with a check unknown"
	case v.State == Healthy && a.badRun >= g.Fall:
		return "healthy after Fall failures in a row"
	case v.State == Repairing && !entered && a.master && ev == Event(ProbeOK{}):
		return "still repairing after the new master's answer"
	case v.State == Starting && now.Sub(a.begun) >= g.Start:
		return "still starting after Start"
	case v.State == Repairing && now.Sub(a.repair) >= g.Orphans && !entered:
		return "repairing longer than Orphans"
	case v.State == Repairing && !entered && now.Sub(later(a.repair, a.answered)) >= g.Repair:
		return "repairing longer than Repair without an answer"
	}
	return ""
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
