package vrrp

// State is a virtual router's state (RFC 9568 section 6.4).
type State uint8

// The states, in the RFC's words. VRRPv2 says Master for Active.
const (
	Initialize State = iota
	Backup
	Active
)

func (s State) String() string {
	switch s {
	case Initialize:
		return "initialize"
	case Backup:
		return "backup"
	case Active:
		return "active"
	}
	return "invalid"
}

// Standing is what the node's health allows it in the election.
type Standing uint8

const (
	// Healthy takes part at the configured priority.
	Healthy Standing = iota
	// Pending listens and does not take over yet: health is not known. The
	// time it listens counts as listened when health becomes known.
	Pending
	// LastResort takes part at PriorityLastResort.
	LastResort
	// Out listens only.
	Out
)

func (s Standing) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Pending:
		return "pending"
	case LastResort:
		return "last resort"
	case Out:
		return "out"
	}
	return "invalid"
}
