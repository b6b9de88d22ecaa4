package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/testenv"
)

func TestViewTellsWhoAnsweredAndHowLongNobodyDid(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	good := func(ms int, server string) testenv.Sample {
		return testenv.Sample{Started: at(ms - 1), Ended: at(ms), Server: server}
	}
	bad := func(ms int) testenv.Sample {
		return testenv.Sample{Started: at(ms - 1), Ended: at(ms), Failure: "timeout"}
	}
	for _, c := range []struct {
		name    string
		stopped int
		samples []testenv.Sample
		want    view
		told    string
	}{
		{
			"moved", 1450, []testenv.Sample{good(5, "a"), good(10, "a"), bad(700), bad(800), good(1400, "b")},
			view{outage: 1390 * time.Millisecond, failed: 2, requests: 5, before: "a", after: "b", moves: 1},
			"without an answer for 1.39 s; 2 of 5 requests failed; answered by a before, by b after",
		},
		{
			"stayed", 30, []testenv.Sample{good(5, "a"), good(25, "a")},
			view{outage: 20 * time.Millisecond, requests: 2, before: "a", after: "a"},
			"without an answer for 20 ms; 0 of 2 requests failed; answered by a all the time",
		},
		{
			"moved twice", 2000, []testenv.Sample{good(500, "a"), good(1000, "b"), good(1500, "a"), good(1995, "a")},
			view{outage: 500 * time.Millisecond, requests: 4, before: "a", after: "a", moves: 2},
			"without an answer for 500 ms; 0 of 4 requests failed; answered by a before, by a after 2 moves",
		},
		{
			"lost", 2000, []testenv.Sample{good(5, "a"), bad(1900)},
			view{outage: 1995 * time.Millisecond, failed: 1, requests: 2, before: "a"},
			"without an answer for 2.00 s; 1 of 2 requests failed; answered by a before, by nobody after",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := look(testenv.Result{Started: at(0), Stopped: at(c.stopped), Samples: c.samples})
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(view{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := got.String(); got != c.told {
				t.Errorf("told as %q, want %q", got, c.told)
			}
		})
	}
}

func TestLineIsServedOnlyWhenEveryStepEndsWithAnAnswer(t *testing.T) {
	for _, c := range []struct {
		line line
		want bool
	}{
		{line{harm: view{after: "a"}}, true},
		{line{harm: view{after: "b"}, back: &view{after: "a"}}, true},
		{line{harm: view{}}, false},
		{line{harm: view{after: "b"}, back: &view{}}, false},
		{line{harm: view{}, back: &view{after: "a"}}, false},
	} {
		if got := c.line.served(); got != c.want {
			t.Errorf("%+v: served %v, want %v", c.line, got, c.want)
		}
	}
}
