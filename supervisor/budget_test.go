package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBudgetGrantsItsLimitWithinTheWindowAtGrowingPauses(t *testing.T) {
	start := time.Unix(1000, 0)
	b := budget{Limit: 4, Window: time.Minute}
	type grant struct {
		Pause time.Duration
		Left  bool
	}
	var got []grant
	for _, after := range []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, time.Minute, 63 * time.Second} {
		pause, left := b.spend(start.Add(after))
		got = append(got, grant{pause, left})
	}
	want := []grant{
		{0, true},
		{250 * time.Millisecond, true},
		{500 * time.Millisecond, true},
		{time.Second, true},
		{restartPauseMost, false},      // the fifth within a minute
		{time.Second, true},            // the first is a minute old
		{250 * time.Millisecond, true}, // and all but the last
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
}
