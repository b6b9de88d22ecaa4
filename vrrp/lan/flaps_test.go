package lan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLinkThatComesAndGoesIsUnsteadyForLongerEachTime(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var f flaps
	flap := func(after time.Duration) time.Duration {
		t.Helper()
		now = now.Add(after)
		f.lost(now)
		now = now.Add(time.Second) // it is away
		if until := f.back(now); !until.IsZero() {
			return until.Sub(now)
		}
		return 0
	}
	if f.back(now); f.over(now) || !f.until.IsZero() {
		t.Error("unsteady before it was lost")
	}
	var got []time.Duration
	for range 9 {
		got = append(got, flap(10*time.Second))
	}
	want := []time.Duration{0, 2, 4, 8, 16, 32, 60, 60, 60}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unsteady after each loss (-want +got):\n%s", diff)
	}

	if f.over(now.Add(time.Minute - 1)) {
		t.Error("over too early")
	}
	if end := now.Add(time.Minute); !f.over(end) || f.over(end) {
		t.Error("the end of it is not told once")
	}
	if got := flap(time.Minute); got != time.Minute {
		t.Errorf("lost a minute later: unsteady for %v, want a minute", got)
	}
	f.over(now.Add(time.Minute))
	if got := flap(2*time.Minute + 1); got != 0 {
		t.Errorf("lost after a minute of steadiness: unsteady for %v, want not at all", got)
	}
}
