package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/testenv"
)

// at is the instant so many milliseconds into a run.
func at(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }

// seen is what a probe saw that ran from 0 until stopped.
func seen(stopped int, samples ...testenv.Sample) testenv.Result {
	return testenv.Result{Started: at(0), Stopped: at(stopped), Samples: samples}
}

func good(ms int, server string) testenv.Sample {
	return testenv.Sample{Started: at(ms - 1), Ended: at(ms), Server: server}
}

func bad(ms int, failure string) testenv.Sample {
	return testenv.Sample{Started: at(ms - 1), Ended: at(ms), Failure: failure}
}

func TestLongestCountsFromTheFaultOn(t *testing.T) {
	for _, c := range []struct {
		name string
		r    testenv.Result
		want value
	}{
		{
			"an outage before the fault is none of its own",
			seen(2000, good(10, "a"), good(900, "a"), good(990, "a"), good(1300, "b"), good(1990, "b")),
			value{amount: 0.69},
		},
		{
			"it begins with the last answer before the fault",
			seen(1500, good(10, "a"), good(980, "a"), bad(990, "refused"), bad(1200, "refused"), good(1400, "b"), good(1490, "b")),
			value{amount: 0.42},
		},
		{
			"open when nobody answers in the end",
			seen(3000, good(10, "a"), good(990, "a"), bad(2990, "timeout")),
			value{2.01, true},
		},
		{
			"the probe's own end is no outage",
			seen(1110, good(990, "a"), good(1010, "a")),
			value{amount: 0.1},
		},
		{
			"nobody ever answered",
			seen(3000, bad(990, "timeout"), bad(1990, "timeout")),
			value{3, true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := longest(c.r, at(1000))
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(value{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestContested(t *testing.T) {
	request := func(ms int, answered ...string) testenv.ARPRequest {
		return testenv.ARPRequest{At: at(ms), Answered: answered}
	}
	const every = 2 * time.Millisecond
	for _, c := range []struct {
		name string
		r    testenv.ARPResult
		want value
	}{
		{"never asked", nil, value{}},
		{"one at a time", testenv.ARPResult{request(0, "a"), request(2, "b")}, value{}},
		{
			"for a while",
			testenv.ARPResult{request(0, "a"), request(2, "a", "b"), request(300, "b", "a"), request(302, "b"), request(900, "b")},
			value{amount: 0.3},
		},
		{
			"until the end",
			testenv.ARPResult{request(0, "a"), request(100, "a", "b"), request(600, "b", "a"), request(602)},
			value{0.502, true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, contested(c.r, every), cmp.AllowUnexported(value{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutConnectionsAreToldApartFromFailedOnes(t *testing.T) {
	r := seen(10, bad(1, "timeout"), bad(2, "reset"), bad(3, "refused"), bad(4, "cut short"), good(5, "a"))
	if got := cutShort(r); got != 2 {
		t.Errorf("%d connections cut of %v, want 2", got, r)
	}
}

func TestBegunInSilence(t *testing.T) {
	// A good attempt takes 1 ms, and so does a bad one.
	waited := testenv.Sample{Started: at(1010), Ended: at(1300), Server: "a"}
	late := testenv.Sample{Started: at(1100), Ended: at(1310), Server: "a"}
	for _, c := range []struct {
		name string
		r    testenv.Result
		want []testenv.Sample
	}{
		{"those that wait and those that fail", seen(2000, good(999, "a"), bad(1200, "refused"), waited, late, good(1400, "a")), []testenv.Sample{bad(1200, "refused"), waited, late}},
		{"nobody answers ever", seen(2000, good(990, "a"), bad(1200, "refused")), []testenv.Sample{bad(1200, "refused")}},
		{"nobody notices", seen(2000, good(999, "a"), good(1002, "a"), good(1400, "a")), []testenv.Sample{good(1002, "a")}},
	} {
		if diff := cmp.Diff(c.want, begunInSilence(c.r, at(1000)).Samples); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
