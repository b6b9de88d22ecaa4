package lan

import (
	"testing"
	"time"
)

func TestLeaseIsThreeIntervalsInWholeSeconds(t *testing.T) {
	for interval, want := range map[time.Duration]uint32{
		10 * time.Millisecond:   1,
		300 * time.Millisecond:  1,
		999 * time.Millisecond:  2,
		time.Second:             3,
		1500 * time.Millisecond: 4,
		255 * time.Second:       765,
	} {
		if got := (Spec{Interval: interval}).lease(); got != want {
			t.Errorf("lease at %s is %d s, want %d", interval, got, want)
		}
	}
}
