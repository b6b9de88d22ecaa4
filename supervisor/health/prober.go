package health

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// Result is what became of one probe.
type Result[T any] struct {
	Value T // the answer; meaningful where Err is nil
	Err   error
	Start time.Time     // when the probe was begun
	Took  time.Duration // until the answer, or until it was given up
}

// errStuck stands for a probe that could not even be begun.
var errStuck = errors.New("earlier probes are stuck beyond their timeout")

// backlog is how many results wait for a slow reader before the oldest is
// dropped.
const backlog = 64

// Prober asks again and again, at a steady pace which a slow answer does not
// slow down. The zero value of every field but Probe means the default.
type Prober[T any] struct {
	// Probe asks once. It returns soon after its context ends; one that does
	// not holds a place, and when no place is left the probes count as failed.
	Probe    func(context.Context) (T, error)
	Interval time.Duration // from the start of one probe to the next; default 200ms
	Timeout  time.Duration // of one probe; default 500ms
}

// answer is a result and the number of the probe that it belongs to.
type answer[T any] struct {
	n int
	Result[T]
}

// Run probes until ctx ends, at once and then every Interval, and sends what
// comes of it. Results arrive in the order in which their probes were begun: an
// answer that is overtaken by that of a younger probe is dropped, since it is
// the older news. A reader that falls far behind misses the oldest ones; the
// pace of the probes does not depend on it. Run returns once every probe has.
func (p Prober[T]) Run(ctx context.Context, results chan<- Result[T]) {
	interval := cmp.Or(p.Interval, 200*time.Millisecond)
	timeout := cmp.Or(p.Timeout, 500*time.Millisecond)
	// As many as can be under way when each keeps to its timeout, and a few
	// that are slow to notice it.
	places := int(timeout/interval) + 4

	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer[T], places) // has room for all, so no probe waits in it
	running := 0
	defer func() {
		cancel()
		for ; running > 0; running-- {
			<-answers
		}
	}()

	var pending []Result[T]
	deliver := func(r Result[T]) {
		if len(pending) == backlog {
			pending = append(pending[:0], pending[1:]...)
		}
		pending = append(pending, r)
	}
	begun, newest := 0, 0 // numbers of the youngest probe begun and answered
	begin := func() {
		begun++
		if running == places {
			newest = begun
			deliver(Result[T]{Err: errStuck, Start: time.Now()})
			return
		}
		running++
		go p.ask(ctx, begun, timeout, answers)
	}

	pace := time.NewTicker(interval)
	defer pace.Stop()
	begin()
	for {
		var out chan<- Result[T]
		var next Result[T]
		if len(pending) > 0 {
			out, next = results, pending[0]
		}
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
			begin()
		case a := <-answers:
			running--
			if a.n > newest && ctx.Err() == nil { // else it was the end that cut it short
				newest = a.n
				deliver(a.Result)
			}
		case out <- next:
			pending = pending[1:]
		}
	}
}

// ask runs probe n and sends its result.
func (p Prober[T]) ask(ctx context.Context, n int, timeout time.Duration, answers chan<- answer[T]) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := p.Probe(ctx)
	took := time.Since(start)
	if err == nil && took > timeout {
		err = context.DeadlineExceeded
	}
	answers <- answer[T]{n, Result[T]{Value: v, Err: err, Start: start, Took: took}}
}
