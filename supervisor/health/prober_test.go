package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted answers probe n, counted from 0, after the n-th delay; probes beyond
// the script never answer by themselves.
func scripted(delays ...time.Duration) func(context.Context) (int, error) {
	asked := make(chan int, 1)
	asked <- 0
	return func(ctx context.Context) (int, error) {
		n := <-asked
		asked <- n + 1
		var answer <-chan time.Time
		if n < len(delays) {
			answer = time.After(delays[n])
		}
		select {
		case <-answer:
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// seen is a Result as a test states it.
type seen struct {
	At     time.Duration // since the Prober's start
	Start  time.Duration
	Took   time.Duration
	Value  int
	Failed bool
}

// watch runs p for d and returns what it reported.
func watch(t *testing.T, p Prober[int], d time.Duration) []seen {
	var got []seen
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		began := time.Now()
		results := make(chan Result[int])
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Run(ctx, results)
		}()
		for {
			select {
			case r := <-results:
				got = append(got, seen{time.Since(began), r.Start.Sub(began), r.Took, r.Value, r.Err != nil})
			case <-ended:
				return
			}
		}
	})
	return got
}

func TestProberKeepsItsPace(t *testing.T) {
	p := Prober[int]{Probe: scripted(10*ms, 300*ms, 10*ms, 10*ms), Interval: 200 * ms, Timeout: 500 * ms}
	want := []seen{
		{At: 10 * ms, Start: 0, Took: 10 * ms, Value: 0},
		// Probe 1 answers at 500ms, when probe 2 has long answered.
		{At: 410 * ms, Start: 400 * ms, Took: 10 * ms, Value: 2},
		{At: 610 * ms, Start: 600 * ms, Took: 10 * ms, Value: 3},
	}
	if diff := cmp.Diff(want, watch(t, p, 700*ms)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestProberKnowsAFrozenPeerWithinATimeoutAndItsIntervals(t *testing.T) {
	p := Prober[int]{Probe: scripted(1 * ms)} // with the defaults
	want := []seen{
		{At: 1 * ms, Took: 1 * ms},
		{At: 700 * ms, Start: 200 * ms, Took: 500 * ms, Failed: true},
		{At: 900 * ms, Start: 400 * ms, Took: 500 * ms, Failed: true},
		{At: 1100 * ms, Start: 600 * ms, Took: 500 * ms, Failed: true},
	}
	if diff := cmp.Diff(want, watch(t, p, 1200*ms)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestProberCountsALateAnswerAsAFailure(t *testing.T) {
	p := Prober[int]{
		Probe:    func(context.Context) (int, error) { <-time.After(70 * ms); return 7, nil }, // deaf to its context
		Interval: 100 * ms, Timeout: 50 * ms,
	}
	want := []seen{{At: 70 * ms, Took: 70 * ms, Value: 7, Failed: true}}
	if diff := cmp.Diff(want, watch(t, p, 90*ms)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestProberBoundsTheProbesUnderWay(t *testing.T) {
	most := 0
	count := make(chan int, 1)
	count <- 0
	p := Prober[int]{
		Probe: func(context.Context) (int, error) { // deaf to its context
			n := <-count + 1
			most = max(most, n)
			count <- n
			<-time.After(time.Minute)
			count <- <-count - 1
			return 0, nil
		},
		Interval: 100 * ms, Timeout: 200 * ms,
	}
	got := watch(t, p, 950*ms)
	if want := 200/100 + 4; most != want {
		t.Errorf("%d probes at a time, want %d", most, want)
	}
	// Those for which there was no place, from 600ms on, have failed.
	if want := 4; len(got) != want || !got[0].Failed || got[0].At != 600*ms {
		t.Errorf("results %+v, want %d failures from 600ms on", got, want)
	}
}

func TestProberDoesNotWaitForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan Result[int])
		asked := 0
		p := Prober[int]{Probe: func(context.Context) (int, error) { asked++; return asked, nil }, Interval: 100 * ms}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Run(ctx, results)
		}()
		<-time.After(9950 * ms)
		synctest.Wait()
		if asked != 100 {
			t.Errorf("asked %d times in 9.95s with nobody reading, want 100", asked)
		}
		for want := 100 - backlog + 1; want <= 100; want++ {
			if r := <-results; r.Value != want {
				t.Errorf("result of probe %d, want that of %d", r.Value, want)
			}
		}
		cancel()
		<-ended
	})
}

func TestCheckReportsTurnsOnly(t *testing.T) {
	bad := errors.New("bad")
	answers := []error{
		nil, nil, // at once, then no news
		bad, bad, nil, bad, bad, bad, bad, // the third in a row turns it
		nil, bad, nil, nil, nil, // the second in a row turns it back
	}
	want := []turn{{0, CheckPassed{"c"}}, {7, CheckFailed{"c", "bad"}}, {12, CheckPassed{"c"}}}
	if diff := cmp.Diff(want, turns(t, Check{Name: "c"}, answers)); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}

func TestCheckThatNeverHeldFailsAfterFall(t *testing.T) {
	bad := errors.New("bad")
	want := []turn{{1, CheckFailed{"c", "bad"}}, {4, CheckPassed{"c"}}}
	got := turns(t, Check{Name: "c", Fall: 2, Rise: 3}, []error{bad, bad, nil, nil, nil})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}

func TestCheckTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := Check{Name: "c", Interval: time.Second, Timeout: 300 * ms, Fall: 2}
		c.Do = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		events := make(chan Event)
		go c.Run(ctx, events)
		began := time.Now()
		got := <-events
		if diff := cmp.Diff(Event(CheckFailed{"c", "no answer within 300ms: context deadline exceeded"}), got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		if took := time.Since(began); took != 1300*ms {
			t.Errorf("known after %v, want 1.3s", took)
		}
		cancel()
	})
}

// turn is an event and the number of the answer that brought it about, counted
// from 0.
type turn struct {
	Answer int
	Event  Event
}

// turns runs c with the answers given, one at each second, and returns what it
// reported.
func turns(t *testing.T, c Check, answers []error) []turn {
	var got []turn
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, asked := time.Now(), -1
		c.Do = func(context.Context) error {
			asked++
			if asked == len(answers) {
				cancel()
				return nil
			}
			return answers[asked]
		}
		events := make(chan Event)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.Run(ctx, events)
		}()
		for {
			select {
			case ev := <-events:
				got = append(got, turn{int(time.Since(began) / time.Second), ev})
			case <-ended:
				return
			}
		}
	})
	return got
}
