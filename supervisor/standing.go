package supervisor

import (
	"fmt"
	"sync"
	"time"

	"ngha/supervisor/health"
	"ngha/vrrp"
)

// standings are what the node's health and its links allow the virtual routers.
type standings struct {
	routers []*virtualRouter // constant

	mu       sync.Mutex // guards the rest
	verdict  health.Verdict
	unsteady map[*virtualRouter]time.Time // whose link is not to be relied on until then
	out      bool                         // of all elections
}

// judge gives a verdict on the node's health.
func (s *standings) judge(verdict health.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict = verdict
	s.apply()
}

// leave takes the node out of all elections for good.
func (s *standings) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = true
	s.apply()
}

// relyOn says from when on the link of v is to be relied on; zero: it is.
func (s *standings) relyOn(v *virtualRouter, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsteady == nil {
		s.unsteady = make(map[*virtualRouter]time.Time)
	}
	if from.IsZero() {
		delete(s.unsteady, v)
	} else {
		s.unsteady[v] = from
	}
	s.apply()
}

func (s *standings) apply() {
	for _, v := range s.routers {
		v.router.SetStanding(s.of(v))
	}
}

// of is the standing of one. A link that comes and goes makes the node the last
// resort of all that move together with what is on it: it may be the only one.
func (s *standings) of(v *virtualRouter) vrrp.Standing {
	if s.out {
		return vrrp.Out
	}
	switch s.verdict.State {
	case health.Starting:
		return vrrp.Pending
	case health.Healthy, health.Repairing:
		for other := range s.unsteady {
			if other == v || v.config.Group != "" && other.config.Group == v.config.Group {
				return vrrp.LastResort
			}
		}
		return vrrp.Healthy
	}
	if v.config.Release {
		return vrrp.Out
	}
	return vrrp.LastResort
}

// warnings name the links that are not to be relied on.
func (s *standings) warnings() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.routers {
		from, unsteady := s.unsteady[v]
		if !unsteady {
			continue
		}
		list = append(list, fmt.Sprintf("%s: the link of %s was lost again and again: last resort until %s", v.config.Name, v.interfaceName(), from.Format(time.TimeOnly)))
	}
	return list
}
