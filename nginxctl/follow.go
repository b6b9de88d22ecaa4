package nginxctl

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// followEvery is how often the crew is looked at when nothing tells to.
	// The ends of processes do; new titles do not.
	followEvery = time.Second
	// followSoon is how often, for as long as a worker is missing.
	followSoon = 20 * time.Millisecond
)

// Crew is what the master's processes have come to; zero before Ready.
func (m *Master) Crew() Crew {
	if c := m.crew.shown.Load(); c != nil {
		return *c
	}
	return Crew{}
}

// CrewChanged has a message when Crew has become another. One that nobody takes
// stands for all that came after it.
func (m *Master) CrewChanged() <-chan struct{} { return m.crew.changed }

// roster is what is known of a master's crew. Its follower and Reload write it.
type roster struct {
	changed chan struct{} // buffered for its one message
	shown   atomic.Pointer[Crew]

	mu     sync.Mutex // guards the rest
	crew   crew
	closed bool // a reload of ours runs, and tells itself what comes of it
	opened int  // how many have run
	crash  string
	hang   *Hang
}

// close leaves it to a reload of ours to judge what happens.
func (r *roster) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// open ends close. children are those after the reload, if it was applied; else
// nil.
func (r *roster) open(children []Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = false
	r.opened++
	if children != nil && r.shown.Load() != nil {
		r.crew.reloaded(children, time.Now())
		r.publish()
	}
}

func (r *roster) publish() {
	next := r.crew.report()
	next.Crash, next.Hang = r.crash, r.hang
	if old := r.shown.Load(); old != nil && reflect.DeepEqual(*old, next) {
		return
	}
	r.shown.Store(&next)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// follower is the goroutine that looks after the crew of a master which is
// ready. It ends with the master.
type follower struct {
	*roster
	m       *Master
	ended   chan struct{}  // a worker has; buffered for its one message
	awaited map[int]uint64 // start times of those whose end is waited for, by pid
	waiting sync.WaitGroup
	log     logMarks
	puzzled bool      // a worker has crashed, and nginx's words about it have not been found
	missing time.Time // since when a worker is; zero: none is
}

// follow starts the follower. children are the master's when it got ready.
func (m *Master) follow(children []Process) {
	m.crew.mu.Lock()
	m.crew.crew = newCrew(children)
	m.crew.publish()
	m.crew.mu.Unlock()
	f := &follower{
		roster:  &m.crew,
		m:       m,
		ended:   make(chan struct{}, 1),
		awaited: make(map[int]uint64),
		log:     markLiveLog(m.pid),
	}
	go f.run()
}

func (f *follower) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer f.waiting.Wait()
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-f.m.done:
			return
		case <-f.ended:
		case <-timer.C:
		}
		next := followEvery
		if f.look(ctx) {
			next = followSoon
		}
		timer.Reset(next)
	}
}

// look takes stock once, and reports whether to look again soon.
func (f *follower) look(ctx context.Context) (soon bool) {
	l := glance{before: f.reloads()}
	stat, err := readStat(f.m.pid)
	if err != nil {
		return false
	}
	l.stopped = stat.state == 'T'
	l.sample, err = f.m.look()
	if err != nil || exiting(f.m.pid) {
		return false // what it has no more has not crashed
	}
	l.doors = f.m.doors() // after the children: who is told to quit tells them, and closes its own then
	f.await(ctx, l.children)
	return f.judge(l)
}

// A glance is what a look at a master found.
type glance struct {
	sample
	before  int // reloads of ours that had ended by then
	stopped bool
	doors   doors
}

// reloads is how many reloads of ours have ended.
func (r *roster) reloads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// judge takes in a glance, and reports whether to look again soon.
func (f *follower) judge(l glance) (soon bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.before != f.opened {
		return true // it is of the workers before
	}
	defer f.publish()
	now := time.Now()
	f.beat(l.stopped, !l.idle && !f.closed, now)
	if f.closed {
		return false
	}
	// A worker's end may be in the log before it is seen.
	if crashed := f.crew.observe(l.children, l.doors, l.now, now); len(crashed) > 0 && !tellsOf(f.crash, crashed) {
		f.puzzled, f.crash = true, ""
	}
	missing := len(f.crew.serving) < f.crew.full
	if f.puzzled || missing {
		f.explain()
	}
	if !missing {
		f.missing = time.Time{}
		return false
	}
	if f.missing.IsZero() {
		f.missing = now
	}
	return now.Sub(f.missing) < followEvery
}

// beat notes whether the master does its work. One that is stopped does not,
// nor one that is busy at every look.
func (f *follower) beat(stopped, busy bool, now time.Time) {
	switch {
	case !stopped && !busy:
		f.hang = nil
	case f.hang == nil || f.hang.Stopped != stopped:
		f.hang = &Hang{Since: now, Stopped: stopped}
	}
}

// explain looks in nginx's log for what it says of the last crash, which may
// come a moment after it.
func (f *follower) explain() {
	if words := lastCrash(f.log.take()); words != "" {
		f.crash, f.puzzled = words, false
	}
}

// await has a goroutine wait for the end of each process that none waits for.
func (f *follower) await(ctx context.Context, procs []Process) {
	living := make(map[int]uint64, len(procs))
	for _, p := range procs {
		living[p.PID] = p.StartTime
		if f.awaited[p.PID] == p.StartTime {
			continue
		}
		f.waiting.Go(func() {
			if waitAll(ctx, []Process{p}) != nil {
				return // the master has ended, or the timer has to do
			}
			select {
			case f.ended <- struct{}{}:
			default:
			}
		})
	}
	f.awaited = living
}
