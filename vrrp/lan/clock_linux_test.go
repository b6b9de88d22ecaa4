package lan

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestSleptIsMoreThanTheErrorOfTheClocks(t *testing.T) {
	const hour = time.Hour // asleep already
	for _, tt := range []struct {
		before, after time.Duration
		want          bool
	}{
		{hour, hour, false},
		{hour, hour + time.Millisecond, false},
		{hour + time.Millisecond, hour, false},
		{hour, hour + 50*time.Millisecond, true},
		{0, 8 * hour, true},
	} {
		if got := slept(tt.before, tt.after); got != tt.want {
			t.Errorf("slept(%s, %s) = %t, want %t", tt.before, tt.after, got, tt.want)
		}
	}
}

func TestClosedAlarmEndsItsReader(t *testing.T) {
	a, err := openAlarm()
	if err != nil {
		t.Fatal(err)
	}
	woken, result := make(chan struct{}, 1), make(chan error, 1)
	go func() { result <- watchSleep(a, woken) }()
	a.close()
	if err := <-result; !errors.Is(err, os.ErrClosed) {
		t.Errorf("watchSleep: %v, want %v", err, os.ErrClosed)
	}
	if len(woken) != 0 {
		t.Error("told of a suspend")
	}
}
