package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"text/tabwriter"
	"time"

	"ngha/testenv"
)

// line is what the client saw of one fault.
type line struct {
	fault string
	harm  view
	back  *view // while node a came back; nil when it had not lost the address
}

// view is what the client saw during one step.
type view struct {
	outage           time.Duration // the longest time without an answer
	failed, requests int
	before, after    string // who answered; after is "" when nobody did in the end
	moves            int    // of the address from one node to the other
}

// show does one harm, and repairs it, while the client asks.
func (t *tour) show(number int, f fault) {
	t.sayf("\n%d. %s\n", number, f.do.story)
	l := line{fault: f.name}
	l.harm = t.observe(f.do.do, t.settled)
	t.tell(l.harm)
	switch {
	case f.undo.do != nil:
		t.sayf("   %s\n", f.undo.story)
		back := t.observe(f.undo.do, func(*testenv.Probe, time.Time) { t.awaitHome() })
		l.back = &back
		t.tell(back)
	case l.harm.after != t.a.Host().Name():
		back := t.observe(func() {}, func(*testenv.Probe, time.Time) { t.awaitHome() })
		l.back = &back
		t.tell(back)
	default:
		t.awaitHome()
	}
	t.lines = append(t.lines, l)
	if !l.served() {
		t.tb.Errorf("%s: the client was not served again", f.name)
	}
}

// observe has the client ask while something is done, and until wait returns
// and the client was answered once more, or patience ends.
func (t *tour) observe(do func(), wait func(*testenv.Probe, time.Time)) view {
	probe := t.client.ProbeHTTP("http://"+vip+"/", pace)
	t.awaitAnswer(probe, time.Time{}, patience)
	// A random moment between two advertisements: what a fault costs depends
	// on when it strikes.
	t.await(rand.N(t.interval), func() error { return errors.New("not yet") })
	at := time.Now()
	do()
	wait(probe, at)
	t.awaitAnswer(probe, time.Now(), patience)
	return look(probe.Stop())
}

// settled waits until the fault has had every consequence it can have: the
// other node answers, or it had the time to take over and did not need it.
func (t *tour) settled(probe *testenv.Probe, at time.Time) {
	const slack = time.Second
	down := 3*t.interval + (256-priorityB)*t.interval/256 // when b takes over at the latest
	t.await(time.Until(at.Add(down+slack)), func() error {
		servers := probe.Result().Servers()
		if servers[len(servers)-1].Server != t.b.Host().Name() {
			return errors.New("b has not answered")
		}
		return nil
	})
}

// awaitAnswer waits for an answer to a request made after an instant.
func (t *tour) awaitAnswer(probe *testenv.Probe, after time.Time, limit time.Duration) {
	t.await(limit, func() error {
		samples := probe.Result().Samples
		for i := range samples {
			if s := samples[len(samples)-1-i]; s.Failure == "" && s.Started.After(after) {
				return nil
			}
		}
		return errors.New("no answer")
	})
}

// await waits until check returns nil, or limit has passed.
func (t *tour) await(limit time.Duration, check func() error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit)
	for check() != nil {
		select {
		case <-ticker.C:
		case <-deadline:
			return
		case <-t.tb.Context().Done():
			t.tb.Fatalf("the tour was ended")
		}
	}
}

// silentEnd is how old the last answer may be in the end of a client that is
// served.
const silentEnd = 250 * time.Millisecond

func look(r testenv.Result) view {
	v := view{outage: r.Longest().Duration(), failed: r.Failed(), requests: len(r.Samples)}
	servers := r.Servers()
	if len(servers) == 0 {
		return v
	}
	last := servers[len(servers)-1]
	v.before, v.moves = servers[0].Server, len(servers)-1
	if r.Stopped.Sub(last.Last) < silentEnd {
		v.after = last.Server
	}
	return v
}

func (l line) served() bool { return l.harm.after != "" && (l.back == nil || l.back.after != "") }

func (t *tour) tell(v view) { t.sayf("   -> %s\n", v) }

func (v view) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "without an answer for %s; %d of %d requests failed; ", short(v.outage), v.failed, v.requests)
	switch {
	case v.after == "":
		fmt.Fprintf(&b, "answered by %s before, by nobody after", v.before)
	case v.moves > 1:
		fmt.Fprintf(&b, "answered by %s before, by %s after %d moves", v.before, v.after, v.moves)
	case v.moves == 0:
		fmt.Fprintf(&b, "answered by %s all the time", v.before)
	default:
		fmt.Fprintf(&b, "answered by %s before, by %s after", v.before, v.after)
	}
	return b.String()
}

// short writes a duration with two or three digits.
func short(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// sumUp prints what the client saw of all faults.
func (t *tour) sumUp() {
	t.sayf("\nIn short:\n\n")
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "    \twithout\trequests\t\twhen a came back:")
	fmt.Fprintln(w, "    fault\tanswer\tfailed\tanswered by\twithout\tfailed")
	for _, l := range t.lines {
		after := l.harm.after
		if after == "" {
			after = "nobody"
		}
		fmt.Fprintf(w, "    %s\t%s\t%d of %d\t%s, then %s\t", l.fault, short(l.harm.outage), l.harm.failed, l.harm.requests, l.harm.before, after)
		if l.back != nil {
			fmt.Fprintf(w, "%s\t%d of %d", short(l.back.outage), l.back.failed, l.back.requests)
		} else {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		t.tb.Errorf("write the summary: %v", err)
	}
}
