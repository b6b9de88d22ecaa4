package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Program lets a program that is no test have a lab.
type Program struct {
	Title     string
	Out       io.Writer // what the lab logs; nil means os.Stderr
	Artifacts string    // where logs and captures are kept; "" keeps none
}

// stopLimit is how long the program's function has, after a signal, to notice
// that its context ended.
const stopLimit = 5 * time.Second

// Run calls f in a goroutine of its own, runs what it registered with Cleanup,
// and returns the exit code: 1 when f failed or wanted to skip, else 0. SIGINT,
// SIGTERM and SIGHUP end f's context, which every wait of the lab observes,
// and Run then returns 1; a second one kills the process, whereupon the kernel
// clears the lab away.
func (p Program) Run(f func(TB)) int {
	if p.Out == nil {
		p.Out = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	r := &run{program: p, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		stop()
		r.Errorf("ended: %v", context.Cause(ctx))
		select {
		case <-done:
		case <-time.After(stopLimit):
		}
	}
	r.cleanUp()
	if r.Failed() {
		return 1
	}
	return 0
}

// run is one call of Program.Run.
type run struct {
	program Program
	ctx     context.Context

	mu       sync.Mutex // also keeps lines of output apart
	failed   bool
	cleanups []func()
}

var _ TB = (*run)(nil)

func (r *run) Helper()                  {}
func (r *run) Name() string             { return r.program.Title }
func (r *run) Context() context.Context { return r.ctx }

func (r *run) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.program.Out, format+"\n", args...)
}

func (r *run) Errorf(format string, args ...any) {
	r.mu.Lock()
	r.failed = true
	r.mu.Unlock()
	r.Logf(format, args...)
}

func (r *run) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// Skipf is Fatalf: a program that cannot do its work has not succeeded.
func (r *run) Skipf(format string, args ...any) { r.Fatalf(format, args...) }

func (r *run) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *run) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *run) cleanUp() {
	for {
		r.mu.Lock()
		last := len(r.cleanups) - 1
		if last < 0 {
			r.mu.Unlock()
			return
		}
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		r.mu.Unlock()
		f()
	}
}

func (r *run) TempDir() string {
	dir, err := os.MkdirTemp("", "ngha-lab-")
	if err != nil {
		r.Fatalf("make a temporary directory: %v", err)
	}
	r.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			r.Errorf("remove a temporary directory: %v", err)
		}
	})
	return dir
}

func (r *run) ArtifactDir() string {
	if r.program.Artifacts == "" {
		return r.TempDir()
	}
	if err := os.MkdirAll(r.program.Artifacts, 0o755); err != nil {
		r.Fatalf("make the artifact directory: %v", err)
	}
	return r.program.Artifacts
}
