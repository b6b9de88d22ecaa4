package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Gate turns what happens to nginx into a Verdict. The zero value is ready to
// use; the fields are set before the first Observe and not changed after it. A
// Gate belongs to one goroutine.
type Gate struct {
	Rise int // answers in a row that make nginx Healthy; default 2
	Fall int // failures in a row that make it Ill; default 3

	// Repair is how long nobody may answer after the master died; default 1s.
	Repair time.Duration
	// Start is how long a verdict may take after the first event; default 10s.
	Start time.Duration
	// Orphans is how long orphaned workers may carry the role; default 60s.
	Orphans time.Duration

	// Checks names the checks whose first result is awaited: the node stays
	// Starting, for Start at most, until each has passed or failed once.
	Checks []string

	begun   time.Time // of the first event, later by what was missed; zero before it
	verdict Verdict

	// What nginx alone is worth, checks aside.
	state    State
	reason   string
	master   bool      // one lives and is ready
	ok, bad  int       // answers and failures in a row
	lastErr  error     // of the last failed probe since the last answer
	died     time.Time // the crash that is being repaired, later by what was missed
	answered time.Time // last good answer, later by what was missed
	exit     string    // why the master died

	failing map[string]string   // check: reason
	unknown map[string]struct{} // checks without a result
	late    bool                // Start passed with checks unknown
}

func (g *Gate) begin(now time.Time) {
	g.Rise = cmp.Or(g.Rise, 2)
	g.Fall = cmp.Or(g.Fall, 3)
	g.Repair = cmp.Or(g.Repair, time.Second)
	g.Start = cmp.Or(g.Start, 10*time.Second)
	g.Orphans = cmp.Or(g.Orphans, time.Minute)
	g.begun = now
	g.reason = "nginx is starting"
	g.failing = make(map[string]string)
	g.unknown = make(map[string]struct{}, len(g.Checks))
	for _, name := range g.Checks {
		g.unknown[name] = struct{}{}
	}
	g.verdict.Since = now
}

// Observe takes in one event and returns the verdict after it. Changed tells
// whether its State or its Reason is another than before; the first verdict
// is. The first event starts the clock of Start, so a Tick is observed when
// nginx is about to be started. Time does not go backwards.
func (g *Gate) Observe(now time.Time, ev Event) (v Verdict, changed bool) {
	if g.begun.IsZero() {
		g.begin(now)
	}
	g.apply(now, ev)
	// An answer that comes with the deadline counts: it is the better witness.
	g.expire(now)
	before := g.verdict
	g.judge(now)
	return g.verdict, before.State != g.verdict.State || before.Reason != g.verdict.Reason
}

// Verdict is the one last returned by Observe.
func (g *Gate) Verdict() Verdict { return g.verdict }

// Deadline is when a Tick is due, zero when no time limit runs.
func (g *Gate) Deadline() time.Time {
	if g.begun.IsZero() {
		return time.Time{}
	}
	var d time.Time
	if g.state == Starting || len(g.unknown) > 0 && !g.late {
		d = g.begun.Add(g.Start)
	}
	if g.state == Repairing {
		d = earlier(d, g.repairBy())
	}
	return d
}

// repairBy is when a repair counts as lost.
func (g *Gate) repairBy() time.Time {
	silent := g.died
	if g.answered.After(silent) {
		silent = g.answered
	}
	return earlier(silent.Add(g.Repair), g.died.Add(g.Orphans))
}

func (g *Gate) apply(now time.Time, ev Event) {
	switch ev := ev.(type) {
	case ProbeOK:
		g.ok, g.bad, g.lastErr = g.ok+1, 0, nil
		g.answered = now
		if g.master && (g.state == Repairing || g.ok >= g.Rise) {
			g.turn(Healthy, "nginx answers")
		}
	case ProbeFailed:
		g.ok, g.bad, g.lastErr = 0, g.bad+1, ev.Err
		if g.state == Healthy && g.bad >= g.Fall {
			g.turn(Ill, g.because("nginx does not answer"))
		}
	case MasterStarted:
		// What answered so far were not this master's workers.
		g.master, g.ok = true, 0
	case MasterDied:
		g.masterDied(now, ev.Err)
	case GivenUp:
		g.ok = 0
		g.turn(Ill, cmp.Or(ev.Reason, "nginx is not started again"))
	case Reset:
		g.master, g.ok = false, 0
		g.turn(Ill, cmp.Or(ev.Reason, "nginx is ended and started anew"))
	case CheckFailed:
		delete(g.unknown, ev.Name)
		g.failing[ev.Name] = ev.Reason
	case CheckPassed:
		delete(g.unknown, ev.Name)
		delete(g.failing, ev.Name)
	case Missed:
		g.begun = earlier(g.begun.Add(ev.For), now)
		g.died = earlier(g.died.Add(ev.For), now)
		g.answered = earlier(g.answered.Add(ev.For), now)
	case Tick:
	default:
		panic(fmt.Sprintf("health: event %T", ev))
	}
}

func (g *Gate) masterDied(now time.Time, err error) {
	g.master = false
	g.exit = "nginx's master died"
	if err != nil {
		g.exit += ": " + err.Error()
	}
	switch g.state {
	case Healthy:
		g.died = now
		g.turn(Repairing, g.exit)
	case Repairing:
		// Also the new master died. The clock of the first crash runs on.
		g.turn(Repairing, g.exit)
	case Starting, Ill:
	}
}

// turn changes what nginx is worth.
func (g *Gate) turn(to State, reason string) {
	g.state, g.reason = to, reason
}

// expire lets the time limits of nginx and of the checks run out.
func (g *Gate) expire(now time.Time) {
	started := !now.Before(g.begun.Add(g.Start))
	if started && len(g.unknown) > 0 {
		g.late = true
	}
	switch g.state {
	case Starting:
		if started {
			g.turn(Ill, g.because("nginx has not answered within "+g.Start.String()))
		}
	case Repairing:
		switch {
		case now.Before(g.repairBy()):
		case !now.Before(g.died.Add(g.Orphans)):
			g.turn(Ill, "orphaned workers have served alone for "+g.Orphans.String()+": "+g.exit)
		default:
			g.turn(Ill, "nobody has answered for "+g.Repair.String()+": "+g.exit)
		}
	case Healthy, Ill:
	}
}

// judge lays the checks over what nginx is worth.
func (g *Gate) judge(now time.Time) {
	state, reason := g.state, g.reason
	switch {
	case len(g.failing) > 0:
		var all []string
		if state == Ill {
			all = append(all, reason)
		}
		state = Ill
		for _, name := range slices.Sorted(maps.Keys(g.failing)) {
			all = append(all, "check "+name+": "+g.failing[name])
		}
		reason = strings.Join(all, "; ")
	case state == Ill || len(g.unknown) == 0:
	case g.late:
		state, reason = Ill, "no result within "+g.Start.String()+" of check "+g.awaited()
	default:
		state = Starting
		if g.state != Starting {
			reason = "first result awaited of check " + g.awaited()
		}
	}
	if state != g.verdict.State {
		g.verdict.Since = now
	}
	g.verdict.State, g.verdict.Reason = state, reason
}

func (g *Gate) awaited() string {
	return strings.Join(slices.Sorted(maps.Keys(g.unknown)), ", ")
}

// because adds the last probe's error, if there is one, to what.
func (g *Gate) because(what string) string {
	if g.lastErr == nil {
		return what
	}
	return what + ": " + g.lastErr.Error()
}

// earlier is the earlier of a and b, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
