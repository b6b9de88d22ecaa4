package health

import "time"

// State is what the node is worth.
type State uint8

const (
	// Starting: not known yet.
	Starting State = iota
	// Healthy: nginx serves and every check passes.
	Healthy
	// Repairing: nginx's master died a moment ago; it is being replaced, and
	// meanwhile the node keeps its role.
	Repairing
	// Ill: this node should not hold an address while another can.
	Ill
)

// States are all states, in order.
var States = []State{Starting, Healthy, Repairing, Ill}

func (s State) String() string {
	switch s {
	case Starting:
		return "starting"
	case Healthy:
		return "healthy"
	case Repairing:
		return "repairing"
	case Ill:
		return "ill"
	}
	return "invalid"
}

// Verdict is a Gate's judgement.
type Verdict struct {
	State  State
	Reason string    // for a person, never empty
	Since  time.Time // when State was entered; a new Reason leaves it
}

// Event is an input of a Gate. The set is closed.
type Event interface{ event() }

type (
	// ProbeOK: nginx, or an orphaned worker of it, answered.
	ProbeOK struct{}

	// ProbeFailed: nobody answered, or not in time, or not well.
	ProbeFailed struct{ Err error }

	// MasterStarted: a new master is ready. Without one nothing becomes
	// Healthy, since orphaned workers answer just as well.
	MasterStarted struct{}

	// MasterDied: the master ended without having been asked to.
	MasterDied struct{ Err error }

	// GivenUp: nginx will not be started again, for the reason given.
	GivenUp struct{ Reason string }

	// Reset: nginx is being ended and started anew. The node is Ill until the
	// new one has answered Rise times.
	Reset struct{ Reason string }

	// CheckFailed: the named check does not hold any more.
	CheckFailed struct{ Name, Reason string }

	// CheckPassed: the named check holds.
	CheckPassed struct{ Name string }

	// Missed: whoever observes was not there for so long, a stopped process for
	// example, until now. That counts for no time limit.
	Missed struct{ For time.Duration }

	// Tick: the Gate's Deadline may have passed.
	Tick struct{}
)

func (ProbeOK) event()       {}
func (ProbeFailed) event()   {}
func (MasterStarted) event() {}
func (MasterDied) event()    {}
func (GivenUp) event()       {}
func (Reset) event()         {}
func (CheckFailed) event()   {}
func (CheckPassed) event()   {}
func (Missed) event()        {}
func (Tick) event()          {}
