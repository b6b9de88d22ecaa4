package testenv

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// attempts makes a Result: one second of probing, with an answer of a server,
// or a failure in upper case, at each millisecond named.
func attempts(samples map[int]string) Result {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Result{Started: start, Stopped: start.Add(time.Second)}
	for ms, who := range samples {
		s := Sample{Ended: start.Add(time.Duration(ms) * time.Millisecond), Server: who}
		if who == "REFUSED" || who == "TIMEOUT" {
			s.Server, s.Failure = "", who
		}
		r.Samples = append(r.Samples, s)
	}
	r.sort()
	return r
}

func TestLongestGapSpansFailures(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples map[int]string
		want    string
	}{
		{"between two servers", map[int]string{0: "a", 300: "a", 400: "TIMEOUT", 700: "b", 1000: "b"}, "400ms from a to b"},
		{"of one server", map[int]string{0: "a", 600: "a", 1000: "a"}, "600ms from a to a"},
		{"that did not end", map[int]string{0: "a", 100: "a", 500: "REFUSED"}, "900ms from a to nobody"},
		{"from the start", map[int]string{100: "REFUSED", 800: "b", 1000: "b"}, "800ms from nobody to b"},
		{"when nobody answered", map[int]string{100: "REFUSED"}, "1s from nobody to nobody"},
	} {
		if got := attempts(c.samples).Longest().String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestResultTellsWhoAnsweredAndWhatFailed(t *testing.T) {
	r := attempts(map[int]string{0: "a", 10: "a", 20: "REFUSED", 30: "TIMEOUT", 40: "REFUSED", 50: "b", 60: "a"})
	if diff := cmp.Diff(map[string]int{"REFUSED": 2, "TIMEOUT": 1}, r.Failures()); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	type spell struct {
		Server  string
		Answers int
	}
	var got []spell
	for _, s := range r.Servers() {
		got = append(got, spell{s.Server, s.Answers})
	}
	if diff := cmp.Diff([]spell{{"a", 2}, {"b", 1}, {"a", 1}}, got); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}
