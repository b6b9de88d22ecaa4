package nginxctl

import (
	"context"
	"slices"
	"time"
)

// watchRun is the state of one Run, owned by its goroutine.
type watchRun struct {
	*Watcher
	settle, longest time.Duration
	quiet           *time.Timer // runs while stirred
	rehash          *time.Ticker
	points          *watchPoints

	loaded load
	last   Snapshot // what was told last; the zero one: nothing since loaded

	stirred time.Time // the first event since all was quiet; zero: it is
	seen    Digest    // what was found without an event; zero: there was one

	change Changed
	told   bool     // change waits for somebody to take it
	before Snapshot // what the one who waits for change knows
}

func newWatchRun(w *Watcher) *watchRun {
	r := &watchRun{Watcher: w, settle: or(w.Settle, 2*time.Second), points: &watchPoints{}}
	r.longest = or(w.Longest, 5*r.settle)
	r.rehash = time.NewTicker(or(w.Rehash, 30*time.Second))
	r.quiet = time.NewTimer(0)
	r.quiet.Stop()
	return r
}

func (r *watchRun) close() {
	r.quiet.Stop()
	r.rehash.Stop()
	r.points.close()
}

// load begins anew with what nginx has loaded. Whether the files are still the
// same is seen when they have settled.
func (r *watchRun) load(l load) {
	r.loaded, r.last, r.told = l, Snapshot{}, false
	r.watch()
	r.stir()
}

// refused takes it that somebody knows of a change which was not told.
func (r *watchRun) refused() {
	if r.last.sums == nil {
		r.last.sums = make(map[string]fileSum)
	}
	r.stir()
}

// stir notes an event.
func (r *watchRun) stir() {
	now := time.Now()
	if r.stirred.IsZero() {
		r.stirred = now
	}
	r.seen = Digest{}
	r.quiet.Reset(min(r.settle, max(0, r.stirred.Add(r.longest).Sub(now))))
}

// watch sets all watches anew, for the files as they are now, and returns the
// set: what was loaded and what is named since, so that a mistake in a new file
// is found mended although nginx never loaded it.
func (r *watchRun) watch() FileSet {
	set, err := r.loaded.set.follow()
	if err != nil {
		r.log.Warn("nginx's files could not be read; they will be looked at again", "err", err)
		set = r.loaded.set
	}
	old := r.points
	r.points = newWatchPoints(set)
	old.close() // only now: nothing goes unseen between
	r.warn(r.points.warning())
	return set
}

// warn publishes a warning, and logs one that is new.
func (r *watchRun) warn(err error) {
	old := r.Warning()
	if err != nil && (old == nil || old.Error() != err.Error()) {
		r.log.Warn("changes of nginx's files may not be seen", "err", err)
	}
	r.warning.Store(&err)
}

// inspect compares the files with what was told last. ok is false when they
// could not be read.
func (r *watchRun) inspect(ctx context.Context) (now Snapshot, back, ok bool) {
	if r.loaded.set.main == "" {
		return Snapshot{}, false, false // nothing to watch yet
	}
	set := r.watch()
	now, err := r.loaded.set.Hash(ctx)
	if err == nil && now.Digest() == r.loaded.held.Digest() {
		return now, true, true
	}
	if err == nil {
		now, err = set.Hash(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("nginx's files could not be read; they will be looked at again", "err", err)
		}
		return Snapshot{}, false, false
	}
	return now, false, true
}

// news reports whether what was found is not known yet.
func (r *watchRun) news(now Snapshot, back bool) bool {
	if back {
		return r.last.sums != nil
	}
	return now.Digest() != r.last.Digest()
}

// look is the safety net for file systems that tell nothing, and for events that
// were lost. What it finds must settle as well.
func (r *watchRun) look(ctx context.Context) {
	if !r.stirred.IsZero() {
		return
	}
	if now, back, ok := r.inspect(ctx); ok && r.news(now, back) {
		r.stir()
		r.seen = now.Digest()
	}
}

// settled tells of a change, if there is one.
func (r *watchRun) settled(ctx context.Context) {
	since, seen := r.stirred, r.seen
	r.stirred, r.seen = time.Time{}, Digest{}
	now, back, ok := r.inspect(ctx)
	if !ok || !r.news(now, back) {
		return
	}
	if d := now.Digest(); seen != (Digest{}) && seen != d && time.Since(since) < r.longest {
		r.stir() // it goes on, unheard
		r.stirred, r.seen = since, d
		return
	}
	if !r.told {
		r.before = r.last
		if len(r.last.sums) == 0 {
			r.before = r.loaded.held
		}
	}
	r.tell(now, back)
}

// tell makes a change wait for its taker, unless it undoes one that still waits.
func (r *watchRun) tell(now Snapshot, back bool) {
	r.last = now
	if back {
		r.last = Snapshot{}
	}
	if r.told && r.before.Digest() == now.Digest() {
		r.told = false
		return
	}
	paths := changed(r.before, now)
	shown := min(len(paths), maxChangedPaths)
	r.change = Changed{Digest: now.Digest(), Back: back, Paths: slices.Clone(paths[:shown]), More: len(paths) - shown}
	r.told = true
}
