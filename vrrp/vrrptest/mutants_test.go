package vrrptest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ngha/vrrp"
	"ngha/vrrp/vrrptest"
)

// mutant is a machine with a fault. What is nil is left as it is.
type mutant struct {
	*vrrp.Machine
	cfg     vrrp.Config
	event   func(*mutant, vrrp.Event) vrrp.Event       // nil Event: the machine never hears of it
	actions func(*mutant, []vrrp.Action) []vrrp.Action // what is done instead
	clock   func(*mutant, time.Time) time.Time
}

func (m *mutant) Step(now time.Time, ev vrrp.Event) []vrrp.Action {
	if m.clock != nil {
		now = m.clock(m, now)
	}
	if m.event != nil {
		if ev = m.event(m, ev); ev == nil {
			return nil
		}
	}
	actions := m.Machine.Step(now, ev)
	if m.actions != nil {
		actions = m.actions(m, actions)
	}
	return actions
}

// rewrite changes the priority of what m hears.
func rewrite(ev vrrp.Event, f func(p uint8) uint8) vrrp.Event {
	if r, ok := ev.(vrrp.Received); ok {
		r.Adv.Priority = f(r.Adv.Priority)
		return r
	}
	return ev
}

// mutantCase is a fault that a machine might have, and the laws that catch it.
type mutantCase struct {
	name string
	make func(*mutant)
	laws []string
}

// mutants are faults of a single virtual router.
var mutants = []mutantCase{
	{
		"forgets to release",
		func(m *mutant) { m.actions = without[vrrp.Release] },
		[]string{"addresses are held only while Active", "addresses are released before Active is left", "nothing is sent from the past"},
	}, {
		"releases after the transition",
		func(m *mutant) {
			m.actions = func(_ *mutant, a []vrrp.Action) []vrrp.Action {
				slices.SortStableFunc(a, func(x, y vrrp.Action) int { return rank(x) - rank(y) })
				return a
			}
		},
		[]string{"addresses are released before Active is left", "nothing is sent from the past"},
	}, {
		"does not tell that it is ill",
		func(m *mutant) {
			m.actions = func(m *mutant, a []vrrp.Action) []vrrp.Action {
				for i := range a {
					if s, ok := a[i].(vrrp.Send); ok && s.Adv.Priority == vrrp.PriorityLastResort {
						s.Adv.Priority = m.cfg.Priority
						a[i] = s
					}
				}
				return a
			}
		},
		[]string{"an ill node advertises 1 at most"},
	}, {
		"speaks first when it wakes late",
		func(m *mutant) {
			m.clock = func(m *mutant, now time.Time) time.Time { // it takes no time to have been late
				if d := m.Deadline(); !d.IsZero() && now.After(d) {
					return d
				}
				return now
			}
		},
		[]string{"nothing is sent from the past"},
	}, {
		"renews the lease without speaking",
		func(m *mutant) { m.actions = without[vrrp.Send] },
		[]string{"the lease is renewed only after an advertisement", "nothing is sent from the past"},
	}, {
		"does not notice that nothing leaves",
		func(m *mutant) {
			m.event = func(_ *mutant, ev vrrp.Event) vrrp.Event {
				if _, ok := ev.(vrrp.SendFailed); ok {
					return nil
				}
				return ev
			}
		},
		[]string{"nothing is sent from the past", "a node that cannot speak loses its addresses", "a calm network has one Active, the right one"},
	}, {
		"yields to nobody",
		func(m *mutant) {
			m.event = func(m *mutant, ev vrrp.Event) vrrp.Event {
				if m.Status().State != vrrp.Active {
					return ev
				}
				return rewrite(ev, func(p uint8) uint8 { return min(p, 1) })
			}
		},
		[]string{"a calm network has one Active, the right one"},
	}, {
		"yields to everybody",
		func(m *mutant) {
			m.event = func(m *mutant, ev vrrp.Event) vrrp.Event {
				if m.Status().State != vrrp.Active {
					return ev
				}
				return rewrite(ev, func(uint8) uint8 { return 255 })
			}
		},
		[]string{"an Active yields to better ones only"},
	}, {
		"follows lower ones",
		func(m *mutant) {
			m.event = func(m *mutant, ev vrrp.Event) vrrp.Event {
				if m.Status().State != vrrp.Backup {
					return ev
				}
				return rewrite(ev, func(p uint8) uint8 {
					if p == 0 {
						return 0
					}
					return max(p, m.cfg.Priority)
				})
			}
		},
		[]string{"a lower Active does not keep a healthy node that fails back now"},
	}, {
		"leaves a last resort in charge",
		func(m *mutant) {
			m.event = func(m *mutant, ev vrrp.Event) vrrp.Event {
				if !m.cfg.Failback.Never {
					return ev
				}
				return rewrite(ev, func(p uint8) uint8 {
					if p == vrrp.PriorityLastResort {
						return 2
					}
					return p
				})
			}
		},
		[]string{"a calm network has one Active, the right one"},
	}, {
		"lets a refused packet restart its timer",
		func(m *mutant) {
			m.actions = func(m *mutant, a []vrrp.Action) []vrrp.Action {
				if len(a) == 1 && m.Status().State == vrrp.Backup {
					if _, ok := a[0].(vrrp.Discard); ok {
						m.Machine.Step(m.Deadline(), vrrp.Suspended{})
					}
				}
				return a
			}
		},
		[]string{"what is discarded touches nothing"},
	},
}

// rank puts Release last.
func rank(a vrrp.Action) int {
	if _, ok := a.(vrrp.Release); ok {
		return 1
	}
	return 0
}

// without drops the actions of type A.
func without[A vrrp.Action](_ *mutant, list []vrrp.Action) []vrrp.Action {
	return slices.DeleteFunc(list, func(a vrrp.Action) bool {
		_, ok := a.(A)
		return ok
	})
}

// A simulation that cannot fail proves nothing: each fault must be found.
func TestSimCatchesMutants(t *testing.T) {
	catch(t, mutants, func(c vrrptest.Sim) error { return c.Run() })
}

// catch runs a simulation with each mutant until a law catches it.
func catch(t *testing.T, mutants []mutantCase, run func(vrrptest.Sim) error) {
	const seeds = 300
	for _, test := range mutants {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(seeds) {
				err := run(vrrptest.Sim{Seed: seed + 1, New: func(c vrrp.Config) (vrrptest.Machine, error) {
					machine, err := vrrp.NewMachine(c)
					m := &mutant{Machine: machine, cfg: c}
					test.make(m)
					return m, err
				}})
				if err == nil {
					continue
				}
				v, ok := errors.AsType[*vrrptest.Violation](err)
				if !ok {
					t.Fatal(err)
				}
				if !slices.Contains(test.laws, v.Law) {
					t.Fatalf("caught by another law: %v", v)
				}
				return
			}
			t.Errorf("not caught by %d seeds", seeds)
		})
	}
}
