package vrrp

import (
	"net/netip"
	"time"
)

// Status is a Machine at one instant: a plain value that shares no memory
// with it.
type Status struct {
	VRID     uint8
	State    State
	Since    time.Time // of State; zero until the first transition
	Reason   string    // of the last transition, or why it stays in Initialize
	Standing Standing  // as last told
	// Priority is what the node takes part with: 1 at last resort, 0 while
	// it is out.
	Priority uint8
	// Active is who holds the addresses as far as is known: this node itself
	// while it is Active, else the last one heard while it is not overdue.
	// The zero Peer means nobody.
	Active Peer
	// Held is why a member of a Group is not Active although nobody better was
	// heard; "" is the rule.
	Held     string
	Counters Counters
}

// Peer is a node as its advertisements show it.
type Peer struct {
	Addr     netip.Addr
	Priority uint8
}

// Counters count since NewMachine.
type Counters struct {
	Received             uint64             // advertisements that were not discarded
	Discarded            [NumReasons]uint64 // by a Machine; what Parse refuses never gets here
	PseudoHeader         uint64             // of Received, VRRPv3 with this checksum
	MessageOnly          uint64             // of Received, VRRPv3 with this checksum
	PriorityZeroReceived uint64
	PriorityZeroSent     uint64 // asked to be sent; see SendFailed
	BecameActive         uint64
	LeftActive           uint64
	Contradictions       uint64 // advertisements heard while Active from another claimant
}
