package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ngha/supervisor/neighbour"
)

// namingOccupants adds to err, of a start or a reload, which other program has
// what nginx is to listen on, and how to end it.
func (s *Supervisor) namingOccupants(ctx context.Context, c configuration, err error) error {
	if err == nil || ctx.Err() != nil || c.dump == nil {
		return err
	}
	sessions, _, unread := s.sessions.leftovers()
	if unread != nil {
		return err
	}
	errs := []error{err}
	for _, o := range c.dump.Occupants(ctx, sessions) {
		p, gone := neighbour.Of(o.PID)
		if gone != nil {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: taken by %v, which `%s` ends", strings.Join(o.Listen, ", "), p, p.End()))
	}
	return errors.Join(errs...)
}

// rivalsEvery is how often others that speak VRRP are looked for: one may be
// started after us.
const rivalsEvery = 30 * time.Second

// watchRivals looks for programs on this host that speak VRRP as well, until ctx
// ends. They are no fault where they have virtual routers of their own.
func (s *Supervisor) watchRivals(ctx context.Context) {
	if len(s.routers) == 0 {
		return
	}
	tick := time.NewTicker(rivalsEvery)
	defer tick.Stop()
	var known []neighbour.Process
	for {
		now, err := neighbour.SpeakingVRRP()
		if err != nil {
			s.log.Debug("others that speak VRRP not looked for", "err", err)
			now = known
		}
		var warnings []string
		for _, p := range now {
			w := rivalry(p)
			if !slices.Contains(known, p) {
				s.log.Warn(w)
			}
			warnings = append(warnings, w)
		}
		known = now
		s.rivals.Store(&warnings)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func rivalry(p neighbour.Process) string {
	return fmt.Sprintf("%v speaks VRRP on this host, too: where it has the same VRID or addresses both would hold them; `%s` ends it", p, p.End())
}
