package vrrp_test

import (
	"testing"
	"time"

	"ngha/vrrp"
)

// RFC 9568 section 6.1 and RFC 3768 section 6.1.
func TestSkewTime(t *testing.T) {
	for _, test := range []struct {
		version  vrrp.Version
		priority uint8
		interval time.Duration
		want     time.Duration
	}{
		{vrrp.V3, 100, time.Second, 609375 * time.Microsecond},
		{vrrp.V3, 255, time.Second, 3906250},
		{vrrp.V3, 254, 10 * ms, 78125},
		{vrrp.V3, 1, 10 * ms, 9960937},
		{vrrp.V3, 0, 40 * time.Second, 40 * time.Second},
		{vrrp.V3, 1, 40950 * ms, 40790039062},
		{vrrp.V2, 100, time.Second, 609375 * time.Microsecond},
		{vrrp.V2, 100, 255 * time.Second, 609375 * time.Microsecond},
		{vrrp.V2, 255, 20 * time.Second, 3906250},
	} {
		if got := vrrp.SkewTime(test.version, test.priority, test.interval); got != test.want {
			t.Errorf("SkewTime(%d, %d, %s) = %s, want %s", test.version, test.priority, test.interval, got, test.want)
		}
		want := 3*test.interval + test.want
		if got := vrrp.ActiveDownInterval(test.version, test.priority, test.interval); got != want {
			t.Errorf("ActiveDownInterval(%d, %d, %s) = %s, want %s", test.version, test.priority, test.interval, got, want)
		}
	}
}

// Two Backups of different priority never fire together, at any interval.
func TestSkewTimeFallsWithEveryStepOfPriority(t *testing.T) {
	for _, v := range []vrrp.Version{vrrp.V2, vrrp.V3} {
		for p := range 255 {
			low, high := vrrp.SkewTime(v, uint8(p), 10*ms), vrrp.SkewTime(v, uint8(p+1), 10*ms)
			if low <= high {
				t.Errorf("version %d: skew of priority %d is %s, of %d it is %s", v, p, low, p+1, high)
			}
		}
	}
}
