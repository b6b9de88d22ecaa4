package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ngha/supervisor/command"
)

// Options tune a Runner. A nil *Options, or any zero field, means the default.
type Options struct {
	Node   string       // NGHA_NODE
	Logger *slog.Logger // nil discards
}

// Runner runs hooks. Its methods may be called from any goroutine.
type Runner struct {
	hooks []Hook
	node  string
	log   *slog.Logger
	exec  func(context.Context, command.Command) (output string, err error)
	kick  chan struct{} // there may be work; buffered for its one message

	mu      sync.Mutex
	tasks   []*task
	byName  map[string][]*task // virtual router: one task for each hook
	turns   uint64             // events so far
	running *task              // nil: none
	ended   chan struct{}      // closed and replaced after each run
	runs    uint64
	failed  uint64
}

// New returns a Runner of hooks, whose commands are started and waited for by s.
func New(hooks []Hook, s command.Starter, o *Options) *Runner {
	if o == nil {
		o = new(Options)
	}
	return &Runner{
		hooks: hooks,
		node:  o.Node,
		log:   cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		exec: func(ctx context.Context, c command.Command) (string, error) {
			return command.Run(ctx, s, c)
		},
		kick:   make(chan struct{}, 1),
		byName: make(map[string][]*task),
		ended:  make(chan struct{}),
	}
}

// Set tells that a virtual router has entered a state. It does not block.
func (r *Runner) Set(ev Event) {
	r.mu.Lock()
	tasks, known := r.byName[ev.Name]
	if !known {
		for i := range r.hooks {
			tasks = append(tasks, &task{hook: &r.hooks[i]})
		}
		r.byName[ev.Name] = tasks
		r.tasks = append(r.tasks, tasks...)
	}
	now := time.Now()
	for _, t := range tasks {
		r.turns++
		t.set(now, r.turns, ev)
	}
	r.mu.Unlock()
	r.wake()
}

// Again has the hooks of an Active virtual router run once more, soon: another
// claimant was heard, and what they did may have been undone. In any other
// state it does nothing. It does not block.
func (r *Runner) Again(name string) {
	r.mu.Lock()
	now := time.Now()
	for _, t := range r.byName[name] {
		if t.event.State == "active" {
			t.again(now)
		}
	}
	r.mu.Unlock()
	r.wake()
}

// Counts returns how many runs have ended, and how many of them not with exit
// status 0.
func (r *Runner) Counts() (runs, failed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs, r.failed
}

// Drain waits until every hook has exited 0 for the state last set. When ctx
// ends before, it returns an error that names the first one which has not. Run
// must be running.
func (r *Runner) Drain(ctx context.Context) error {
	for {
		r.mu.Lock()
		left, ended := r.running, r.ended
		if left == nil {
			left = r.next()
		}
		var what error
		if left != nil {
			what = fmt.Errorf("hook %s has not succeeded for %s %s", left.hook.Exec[0], left.event.Name, left.event.State)
		}
		r.mu.Unlock()
		if left == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(what, ctx.Err())
		case <-ended:
		}
	}
}

// Run runs what is to be run until ctx ends, which kills a command that runs.
func (r *Runner) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, wait := r.take()
		if due != nil {
			r.perform(ctx, due)
			continue
		}
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-r.kick:
		case <-timer.C:
		}
	}
}

// run is one run of a task, for the event that was current at its start.
type run struct {
	task  *task
	hook  *Hook
	event Event
	turn  uint64
}

// take returns a run that is due, or else how long to wait for the next one;
// zero: until there is one.
func (r *Runner) take() (*run, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.next()
	if t == nil {
		return nil, 0
	}
	now := time.Now()
	if wait := t.due.Sub(now); wait > 0 {
		return nil, wait
	}
	t.pending, t.began = false, now
	r.running = t
	return &run{t, t.hook, t.event, t.turn}, 0
}

// next is the pending task that comes first. It is called with mu held.
func (r *Runner) next() *task {
	var first *task
	for _, t := range r.tasks {
		if t.pending && (first == nil || t.before(first)) {
			first = t
		}
	}
	return first
}

// perform runs a command to its end.
func (r *Runner) perform(ctx context.Context, a *run) {
	limit, cancel := context.WithTimeout(ctx, cmp.Or(a.hook.Timeout, 10*time.Second))
	defer cancel()
	output, err := r.exec(limit, command.Command{Argv: a.hook.Exec, Env: a.event.environment(r.node)})
	retry := r.record(a, err)

	log := r.log.With("hook", a.hook.Exec[0], "name", a.event.Name, "vrid", a.event.VRID, "state", a.event.State)
	switch {
	case err == nil:
		log.Info("hook ran", "output", output)
	case retry:
		log.Warn("hook failed, runs again", "err", err)
	default:
		log.Warn("hook failed for a state that has passed", "err", err)
	}
}

// record takes note of how a has ended. Retry tells that it is to be run again,
// since the state that it was run for is still the newest.
func (r *Runner) record(a *run, err error) (retry bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs++
	if err != nil {
		r.failed++
		if retry = a.task.turn == a.turn; retry {
			a.task.retry(time.Now())
		}
	}
	r.running = nil
	close(r.ended)
	r.ended = make(chan struct{})
	return retry
}

func (r *Runner) wake() {
	select {
	case r.kick <- struct{}{}:
	default: // it is told already
	}
}
