package main

import (
	"time"

	"ngha/testenv"
)

// silentEnd is how long the last attempts of a probe may stay unanswered
// without a word about the service: the machine was busy.
const silentEnd = 250 * time.Millisecond

// longest returns the longest time without a good answer that had not ended
// before the instant at, and the answers around it. The value is open when no
// good answer came after it.
func longest(r testenv.Result, at time.Time) (value, testenv.Gap) {
	gap := from(r, at).Longest()
	v := seconds(gap.Duration())
	v.open = gap.After == "" && gap.Duration() > silentEnd
	return v, gap
}

// from returns what the probe saw after the last good answer before at.
func from(r testenv.Result, at time.Time) testenv.Result {
	first := 0
	for i, s := range r.Samples {
		if s.Ended.After(at) {
			break
		}
		if s.Failure == "" {
			first, r.Started = i+1, s.Ended
		}
	}
	r.Samples = r.Samples[first:]
	return r
}

// contested is how long more than one node answered ARP requests that were
// sent every so often. It is open when they still did at the end.
func contested(r testenv.ARPResult, every time.Duration) value {
	both := r.Contested()
	if len(both) == 0 {
		return seconds(0)
	}
	v := seconds(both.Span() + every)
	v.open = r[len(r)-1].At.Sub(both[len(both)-1].At) < silentEnd
	return v
}

// cutShort counts the attempts that had a connection and lost it: it was made
// with one node when the address moved to another, which knows nothing of it.
func cutShort(r testenv.Result) int {
	kinds := r.Failures()
	return kinds["reset"] + kinds["cut short"]
}
