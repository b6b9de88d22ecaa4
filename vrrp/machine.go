package vrrp

import "time"

// Machine is the state machine of one virtual router.
type Machine struct {
	cfg Config
}

// NewMachine returns a Machine in Initialize. The error names every field of c
// that is out of range.
func NewMachine(c Config) (*Machine, error) { return &Machine{cfg: c}, nil }

// Step takes one event that happened at now, and returns what has to be done
// for it, in order. The caller owns the list; what it points to is not to be
// written.
func (m *Machine) Step(now time.Time, ev Event) []Action { return nil }

// Deadline is when Timer has to be stepped at the latest; zero: never.
func (m *Machine) Deadline() time.Time { return time.Time{} }

// Status returns a copy of m's state.
func (m *Machine) Status() Status { return Status{} }
