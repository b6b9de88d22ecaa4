package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ngha/nginxctl"
	"ngha/supervisor/control"
	"ngha/supervisor/metrics"
	"ngha/supervisor/standin"
	"ngha/vrrp/lan"
)

// preflight finds what is wrong before anything is started or changed. Faults
// of a configuration are all told at once.
func (s *Supervisor) preflight(ctx context.Context) error {
	if err := s.prepared().Find(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(s.routers) > 0 {
		if err := lan.Capable(); err != nil {
			return err
		}
	}
	// The folder of our socket is where nginx's status socket has its place too,
	// and nginx makes no folders.
	if err := control.MakeFolder(s.config.Control.Socket); err != nil {
		return err
	}
	c, err := s.prepare(ctx)
	if err != nil {
		// An earlier run may have left a copy that serves.
		copied, none := s.choose(ctx)
		if none != nil || copied.fault == nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		c = copied
	}
	if c.probe == nil {
		s.log.Warn(notAsked)
	}
	s.probe.Store(c.probe)
	s.first = &c // a moment old: what changes from now on the watcher finds
	return nil
}

// prepared is nginx behind the image's entrypoint, where there is one.
func (s *Supervisor) prepared() nginxctl.Nginx {
	n := s.nginx
	n.Command = slices.Concat(s.options.Prepare, n.Command)
	return n
}

// prepare has the image's entrypoint make its preparations, and reads what nginx
// is to load then. The environment in which the entrypoint would have executed
// nginx is nginx's from then on, unless it is one that is named by its path.
func (s *Supervisor) prepare(ctx context.Context) (configuration, error) {
	n, name := s.prepared(), s.nginx.Command[0]
	if len(s.options.Prepare) == 0 || filepath.Base(name) != name {
		return s.read(ctx, n)
	}
	folder, err := standin.New(filepath.Dir(s.config.Control.Socket), name)
	if err != nil {
		return configuration{}, err
	}
	defer folder.Close()
	n.Env = folder.Lead(os.Environ())
	failed := n.Test(ctx)
	s.nginx.Env, err = folder.Environ()
	if err := errors.Join(failed, err); err != nil {
		return configuration{}, err
	}
	if s.nginx.Env == nil {
		s.log.Warn("what the image's entrypoint exports does not reach nginx: it did not look for nginx in the PATH that it was given", "entrypoint", s.options.Prepare)
	}
	return s.read(ctx, s.nginx)
}

// preflightUnlessAsked breaks off when a signal or the end of ctx asks for the
// end: nginx may take its time to look up the names in its configuration.
func (s *Supervisor) preflightUnlessAsked(ctx context.Context, sigs <-chan os.Signal) (asked bool, err error) {
	trying, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1) // its one message
	go func() { done <- s.preflight(trying) }()
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				return true, nil
			}
			return false, err
		case sig := <-sigs:
			if asksForEnd(sig) || sig == Leave {
				cancel()
				<-done
				return true, nil
			}
		}
	}
}

// notAsked warns of a node without a status endpoint.
const notAsked = "nginx is not asked whether it serves, only its master is watched: its configuration has no stub_status location"

// probeOf is the configured status endpoint, or the one nginx has. Without a
// virtual router nothing hangs on it: nil then.
func (s *Supervisor) probeOf(dump *nginxctl.Dump) (*nginxctl.Probe, error) {
	if url := s.config.Health.URL; url != "" {
		p, err := nginxctl.ParseProbe(url)
		if err != nil {
			return nil, err
		}
		return &p, nil
	}
	p, err := dump.Status()
	if err == nil {
		return &p, nil
	}
	if _, none := errors.AsType[*nginxctl.NoStatusError](err); none && len(s.routers) == 0 {
		return nil, nil
	}
	return nil, err
}

// listen opens the control socket and the metrics port, so that one that is
// taken is known before nginx starts.
func (s *Supervisor) listen() (err error) {
	if s.control, err = control.Listen(s.config.Control.Socket, s.config.Control.Group); err != nil {
		return err
	}
	if err := s.openKept(); err != nil { // only now: the socket is a lock as well
		return errors.Join(err, s.control.Close())
	}
	if s.config.Metrics.Listen == "" {
		return nil
	}
	if s.metrics, err = metrics.Listen(s.config.Metrics.Listen); err != nil {
		return errors.Join(err, s.control.Close())
	}
	return nil
}
