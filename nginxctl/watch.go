package nginxctl

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher tells when the files of a configuration have changed and settled. Its
// first three fields may be set before Run.
//
// It sees a change by what the files hold: a touch, a chmod or a rewrite with the
// same content is none. Each change is told once, whatever becomes of it.
type Watcher struct {
	Settle  time.Duration // how long it must have been quiet; 0: 2s
	Longest time.Duration // when to tell although it is never quiet; 0: 5 times Settle
	Rehash  time.Duration // how often to look without being told to; 0: 30s

	log      *slog.Logger
	changes  chan Changed
	loads    chan struct{} // buffered for its one message, as is refusals
	refusals chan struct{}
	warning  atomic.Pointer[error]

	mu   sync.Mutex // guards next
	next *load      // the last one
}

// load is what nginx has, or is being told to have.
type load struct {
	set  FileSet
	held Snapshot
}

// Changed is a settled change of the files since the last one told, or since Set.
type Changed struct {
	Digest Digest   // of what they hold now
	Back   bool     // they hold again what was given to Set
	Paths  []string // files that changed, sorted; at most 20
	More   int      // how many are left out
}

const maxChangedPaths = 20

// NewWatcher makes a Watcher that sees nothing until Set. A nil logger discards.
func NewWatcher(log *slog.Logger) *Watcher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{log: log, changes: make(chan Changed), loads: make(chan struct{}, 1), refusals: make(chan struct{}, 1)}
}

// Set says which files to watch, and what they held when nginx loaded them. Call
// it after each load, with what Hash found before it: what changed meanwhile is
// then told, and at worst nginx loads once too often. Any goroutine may call it;
// it does not block. A change that was not taken from Changes yet is forgotten.
func (w *Watcher) Set(s FileSet, loaded Snapshot) {
	w.mu.Lock()
	w.next = &load{s, loaded}
	w.mu.Unlock()
	select {
	case w.loads <- struct{}{}:
	default:
	}
}

func (w *Watcher) take() load {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.next
}

// Digest is of what the files hold now, as a change that is told has it: who has
// nginx try them knows by it that a change told later is the one he has tried.
// Any goroutine may call it. Before the first Set it is zero.
func (w *Watcher) Digest(ctx context.Context) (Digest, error) {
	w.mu.Lock()
	last := w.next
	w.mu.Unlock()
	if last == nil {
		return Digest{}, nil
	}
	set, err := last.set.follow()
	if err != nil {
		return Digest{}, err
	}
	now, err := set.Hash(ctx)
	return now.Digest(), err
}

// Refused says that nginx was told to load the files and did not, perhaps before
// their change was told. That they hold again what was given to Set is told from
// now on, however soon it comes about. Any goroutine may call it; it does not
// block.
func (w *Watcher) Refused() {
	select {
	case w.refusals <- struct{}{}:
	default:
	}
}

// Changes is where changes are told. One that nobody takes is replaced by the
// next, which then has the files of both.
func (w *Watcher) Changes() <-chan Changed { return w.changes }

// Warning says what keeps changes from being seen, or from being seen at once: a
// *DetachedError, a *WatchError, both joined, or nil. It is logged as well.
func (w *Watcher) Warning() error {
	if err := w.warning.Load(); err != nil {
		return *err
	}
	return nil
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	r := newWatchRun(w)
	defer r.close()
	for {
		var out chan<- Changed
		if r.told {
			out = w.changes
		}
		select {
		case <-ctx.Done():
			return
		case <-w.loads:
			r.load(w.take())
		case <-w.refusals:
			r.refused()
		case e := <-r.points.events():
			if r.points.concern(e.Name) {
				r.stir()
			}
		case err := <-r.points.errors():
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("watching nginx's files", "err", err)
			}
			r.stir()
		case <-r.rehash.C:
			r.look(ctx)
		case <-r.quiet.C:
			r.settled(ctx)
		case out <- r.change:
			r.told = false
		}
	}
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
