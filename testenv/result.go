package testenv

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Result is what an HTTP probe saw.
type Result struct {
	Started, Stopped time.Time
	Samples          []Sample // in the order of Ended
	Dropped          int      // samples forgotten because there were too many
}

// Sample is one attempt of an HTTP probe.
type Sample struct {
	Started time.Time // when the connection was begun
	Ended   time.Time // when the answer's last byte arrived, or the attempt failed
	Server  string    // who answered: the header X-Node
	Failure string    // "" for a good answer, else its kind: "refused", "timeout", ...
	Retried bool      // it was asked again, since a kept connection was closed before the answer
}

// Gap is a time without a good answer.
type Gap struct {
	From, To      time.Time // the last good answer before, the first one after
	Before, After string    // who gave them; "" at the probe's start and end
}

// Duration is how long the gap lasted.
func (g Gap) Duration() time.Duration { return g.To.Sub(g.From) }

func (g Gap) String() string {
	who := func(s string) string {
		if s == "" {
			return "nobody"
		}
		return s
	}
	return fmt.Sprintf("%v from %s to %s", g.Duration().Round(time.Millisecond/10), who(g.Before), who(g.After))
}

// Spell is a run of good answers by one server.
type Spell struct {
	Server      string
	First, Last time.Time
	Answers     int
}

func (s Spell) String() string {
	return fmt.Sprintf("%s %d times in %v", s.Server, s.Answers, s.Last.Sub(s.First).Round(time.Millisecond))
}

func (r *Result) sort() {
	slices.SortStableFunc(r.Samples, func(a, b Sample) int { return a.Ended.Compare(b.Ended) })
}

// Longest returns the longest time without a good answer. Silence at the start
// of the probe and at its end counts: a service that never comes back has a
// gap until Stopped.
func (r Result) Longest() Gap {
	var longest Gap
	last := Gap{From: r.Started}
	check := func() {
		if last.Duration() > longest.Duration() {
			longest = last
		}
	}
	for _, s := range r.Samples {
		if s.Failure != "" {
			continue
		}
		last.To, last.After = s.Ended, s.Server
		check()
		last = Gap{From: s.Ended, Before: s.Server}
	}
	last.To = r.Stopped
	check()
	return longest
}

// Failures counts the failed attempts by kind.
func (r Result) Failures() map[string]int {
	kinds := make(map[string]int)
	for _, s := range r.Samples {
		if s.Failure != "" {
			kinds[s.Failure]++
		}
	}
	return kinds
}

// Failed is the number of failed attempts.
func (r Result) Failed() int {
	n := 0
	for _, count := range r.Failures() {
		n += count
	}
	return n
}

// Slowest is how long the good answer took that was waited for longest.
func (r Result) Slowest() time.Duration { return r.Percentile(100) }

// Percentile is how long a good answer took at most, of so many percent of them:
// 50 is the median. It is 0 where there was none.
func (r Result) Percentile(percent float64) time.Duration {
	var took []time.Duration
	for _, s := range r.Samples {
		if s.Failure == "" {
			took = append(took, s.Ended.Sub(s.Started))
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	at := int(math.Ceil(percent/100*float64(len(took)))) - 1
	return took[min(max(at, 0), len(took)-1)]
}

// Where returns the result with those samples only that satisfy match.
func (r Result) Where(match func(Sample) bool) Result {
	r.Samples = slices.DeleteFunc(slices.Clone(r.Samples), func(s Sample) bool { return !match(s) })
	return r
}

// Servers lists who answered, one after the other.
func (r Result) Servers() []Spell {
	var spells []Spell
	for _, s := range r.Samples {
		if s.Failure != "" {
			continue
		}
		if n := len(spells); n == 0 || spells[n-1].Server != s.Server {
			spells = append(spells, Spell{Server: s.Server, First: s.Ended})
		}
		last := &spells[len(spells)-1]
		last.Last = s.Ended
		last.Answers++
	}
	return spells
}

// String sums the result up in a line.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d attempts, %d failed", len(r.Samples), r.Failed())
	kinds := r.Failures()
	for i, kind := range slices.Sorted(maps.Keys(kinds)) {
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		fmt.Fprintf(&b, "%s%d %s", sep, kinds[kind], kind)
	}
	if len(kinds) > 0 {
		b.WriteString(")")
	}
	fmt.Fprintf(&b, ", longest gap %v; answered by %v", r.Longest(), r.Servers())
	return b.String()
}
