package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ngha/nginxctl"
)

// configuration is one that nginx can load, and what is to be known of it then.
type configuration struct {
	nginx nginxctl.Nginx // reads it
	dump  *nginxctl.Dump
	probe *nginxctl.Probe
	files nginxctl.FileSet  // to watch; zero: not known
	held  nginxctl.Snapshot // what they held before nginx read them
	fault error             // of the files, in whose place it is the copy of the last good ones; nil: it is the files
}

// read has n test and print what is on disk. nginx tests what it prints, so that
// only a wrapper, which makes its preparations then, needs a test of its own.
func (s *Supervisor) read(ctx context.Context, n nginxctl.Nginx) (configuration, error) {
	c := configuration{nginx: s.nginx}
	if n.Wrapped() {
		if err := n.Test(ctx); err != nil {
			return c, err
		}
	}
	dump, err := n.Dump(ctx)
	if err != nil {
		return c, err
	}
	c.dump = dump
	c.probe, err = s.probeOf(dump) // without it nginx would seem frozen
	if err := errors.Join(n.Supervisable(dump), err); err != nil {
		return c, err
	}
	if c.files, err = dump.FileSet(); err == nil {
		c.held, err = c.files.Hash(ctx)
	}
	if err != nil {
		s.log.Warn("nginx's files not read: their next change may not be seen", "err", err)
		c.files = nginxctl.FileSet{}
	}
	return c, nil
}

// broken reports whether err, of reading c, is about what is on disk.
func (c configuration) broken(err error) bool {
	_, refused := errors.AsType[*nginxctl.TestError](err)
	return refused || c.dump != nil
}

// choose reads what is on disk, and the copy of the last good configuration
// where that is broken. With an error it returns the files to watch for the
// cure.
func (s *Supervisor) choose(ctx context.Context) (configuration, error) {
	if c := s.first; c != nil {
		s.first = nil
		return *c, nil
	}
	c, fault := s.read(ctx, s.nginx.Direct())
	if fault == nil || !c.broken(fault) || ctx.Err() != nil {
		return c, fault
	}
	copied, err := s.lastGood(ctx)
	if err != nil && !errors.Is(err, errNothingKept) {
		s.log.Warn("the copy of the last good configuration is of no use", "err", err)
	}
	// Who mended them before they were hashed would wait in vain.
	if c, again := s.read(ctx, s.nginx.Direct()); again == nil {
		return c, nil
	}
	if copied.dump == nil {
		return copied, fault
	}
	copied.fault = fault
	return copied, nil
}

// errNothingKept says that there is no copy, or one of other files.
var errNothingKept = errors.New("no copy was made of these files")

// lastGood reads the copy. The files are always those on disk, and what they
// hold: whatever is wrong with them, a change may be the cure.
func (s *Supervisor) lastGood(ctx context.Context) (c configuration, err error) {
	if c.files, err = s.nginx.FileSet(ctx); err != nil {
		return c, err
	}
	main := c.files.Main()
	if err := s.openKept(); err != nil {
		return c, err
	}
	originals, _ := s.kept.Originals()
	same := originals.Main() == main
	if same {
		c.files = originals // includes behind a fault among them
	}
	if c.held, err = c.files.Hash(ctx); err != nil {
		c.files = nginxctl.FileSet{}
		return c, err
	}
	n, ok := s.kept.Nginx(s.nginx)
	if !ok || !same {
		return c, errNothingKept
	}
	read, err := s.read(ctx, n)
	if err != nil {
		return c, err
	}
	read.nginx, read.files, read.held = n, c.files, c.held
	return read, nil
}

// openKept opens the folder with the copy, once.
func (s *Supervisor) openKept() (err error) {
	if s.kept != nil {
		return nil
	}
	if s.kept, err = nginxctl.OpenLastGood(s.config.Nginx.State, s.log); err != nil {
		return fmt.Errorf("nginx.state: %w", err)
	}
	return nil
}

// applied notes that another configuration serves: the one on disk, or the copy
// of the last good one because of a fault.
func (s *Supervisor) applied(fault error) {
	n := &s.node.nginx
	n.Generation++
	s.node.crew.Loads = s.node.master.Crew().Loads // this one is counted
	s.node.fault, n.Copy = fault, fault != nil
	n.Configuration, n.Reason = relation(fault)
	s.forgetRetry()
}

// relation is how what serves relates to what is on disk.
func relation(fault error) (configuration, reason string) {
	if fault != nil {
		return configurationStale, fault.Error()
	}
	return configurationCurrent, ""
}

// watchFiles watches for changes of c's files from now on.
func (s *Supervisor) watchFiles(c configuration) {
	if c.files.Main() == "" {
		return
	}
	s.node.changed = nginxctl.Changed{} // what of it is still so is told again
	s.watcher.Set(c.files, c.held)
}

// keep makes c, which nginx has loaded, the last good configuration, in a job
// that nobody waits for.
func (s *Supervisor) keep(c configuration) {
	if s.ending != nil || c.fault != nil || c.files.Main() == "" {
		return
	}
	s.do(func(ctx context.Context) func() {
		files := c.files
		// nginx read the files after we did, and may have found others.
		if dump, err := s.nginx.Dump(ctx); err == nil {
			if now, err := dump.FileSet(); err == nil {
				files = now
				s.watcher.Set(files, c.held)
			}
		}
		var err error
		if !c.dump.Guessed() {
			err = s.kept.Save(ctx, s.nginx, files, c.held)
		}
		if ctx.Err() != nil {
			err = nil // broken off
		}
		return func() { s.saved(err) }
	})
	s.job.idle = true
}

// saved takes what became of the copy. Files that have changed since are soon
// loaded, and then kept; a failure that lasts is told once.
func (s *Supervisor) saved(err error) {
	if _, changed := errors.AsType[*nginxctl.ChangedError](err); changed {
		return
	}
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	if failure != "" && failure != s.node.unkept {
		s.log.Warn("the last good configuration is not kept: one that breaks could not be replaced", "err", err)
	}
	s.node.unkept = failure
}

// filesChanged takes a change of nginx's files that has settled. No job runs
// when it is called.
func (s *Supervisor) filesChanged(c nginxctl.Changed) {
	n := &s.node
	s.log.Info("nginx's files have changed", "files", c.Paths, "more", c.More, "back", c.Back)
	if c.Back { // to what nginx has, or to the fault that it was started without
		n.changed = nginxctl.Changed{}
		s.forgetRetry()
		if n.phase == phaseRunning {
			n.nginx.Configuration, n.nginx.Reason = relation(n.fault)
		}
		return
	}
	if n.phase == phaseRunning && c.Digest == n.tried && n.nginx.Configuration == configurationStale {
		return // somebody has asked for it before it had settled
	}
	n.changed, n.tried = c, nginxctl.Digest{}
	s.forgetRetry()
	n.nginx.Configuration, n.nginx.Reason = configurationChanged, ""
	switch {
	case n.phase != phaseRunning:
		n.restartAt = time.Now()
	case !s.config.Nginx.Manual:
		s.reloads.ask(false)
	}
}
