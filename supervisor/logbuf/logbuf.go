// Package logbuf keeps a slow reader of the log from slowing down the program.
// A log goes to a pipe as a rule, and a pipe that nobody reads blocks whoever
// writes to it; the loops of ngha log, and must never block.
package logbuf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// DefaultSize is how many bytes a Writer of size 0 holds.
const DefaultSize = 256 << 10

// ErrTimeout is returned by Close when the reader did not take the rest in time.
var ErrTimeout = errors.New("log not written to its end in time")

// Writer is an io.Writer that never blocks. What is written to it goes into a
// buffer of bounded size, from which one goroutine writes to the log. When the
// buffer is full the newest text is dropped, whole Writes at a time (slog's
// handlers write each line with one Write), and once there is room again a line
// in its place tells how many were.
type Writer struct {
	w    io.Writer
	size int
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	wake    sync.Cond // something to write, or closed
	buf     []byte    // waits
	dropped uint64    // in all
	untold  uint64    // dropped since the last line that told of it
	json    bool      // the lines are JSON
	err     error     // of the last write to w; nil after a good one
	closed  bool
}

// New returns a Writer to w that holds size bytes at most; 0 means DefaultSize.
// Its goroutine ends with Close. W is used by that goroutine alone.
func New(w io.Writer, size int) *Writer {
	if size <= 0 {
		size = DefaultSize
	}
	b := &Writer{w: w, size: size, done: make(chan struct{})}
	b.wake.L = &b.mu
	go b.run()
	return b
}

// Write takes p whole or, when there is no room or after Close, drops it whole.
// It never fails: whoever logs can do nothing about it.
func (b *Writer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.json = len(p) > 0 && p[0] == '{'
	if b.closed || len(b.buf)+len(p) > b.size {
		b.dropped++
		b.untold++
		return len(p), nil
	}
	b.tell()
	b.buf = append(b.buf, p...)
	b.wake.Signal()
	return len(p), nil
}

// tell puts in a line where text was dropped, in the form of the lines around
// it. It is called with mu held.
func (b *Writer) tell() {
	if b.untold == 0 {
		return
	}
	form := "time=%s level=WARN msg=\"log lines dropped\" count=%d\n"
	if b.json {
		form = `{"time":"%s","level":"WARN","msg":"log lines dropped","count":%d}` + "\n"
	}
	b.buf = fmt.Appendf(b.buf, form, time.Now().Format(time.RFC3339Nano), b.untold)
	b.untold = 0
}

// Dropped counts what was dropped, because there was no room or because the log
// did not accept it.
func (b *Writer) Dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// run writes what waits until the Writer is closed and empty.
func (b *Writer) run() {
	defer close(b.done)
	var batch []byte
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.buf) == 0 && b.untold == 0 && !b.closed {
			b.wake.Wait()
		}
		if len(b.buf) == 0 && b.untold == 0 {
			return
		}
		b.tell()
		batch, b.buf = b.buf, batch[:0]
		b.mu.Unlock()
		n, err := b.w.Write(batch)
		b.mu.Lock()
		if b.err = err; err != nil {
			b.dropped += uint64(bytes.Count(batch[n:], []byte("\n")))
		}
	}
}

// Close writes what waits and ends the goroutine. It returns the last error of
// the log, or ErrTimeout when that takes longer than timeout; the goroutine then
// ends when the log accepts its last write, or with the program.
func (b *Writer) Close(timeout time.Duration) error {
	b.mu.Lock()
	b.closed = true
	b.wake.Signal()
	b.mu.Unlock()
	select {
	case <-b.done:
	case <-time.After(timeout):
		return ErrTimeout
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
