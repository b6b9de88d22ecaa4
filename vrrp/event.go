package vrrp

import "net/netip"

// Event is an input of a Machine. The set is closed.
type Event interface{ event() }

type (
	// Startup: the interface can be used and Source is its address of the
	// election's family from which advertisements are sent and which breaks ties.
	Startup struct{ Source netip.Addr }

	// Shutdown asks for an orderly end. A healthy Active says Priority 0 and
	// goes on answering until its successor has spoken, one interval at most.
	Shutdown struct{}

	// Received is an advertisement that Parse accepted, and its sender.
	Received struct {
		Src netip.Addr
		Adv Advertisement
	}

	// StandingChanged tells what the node's health now allows.
	StandingChanged struct{ Standing Standing }

	// PeersChanged names the peers of a virtual router that is Unicast, by
	// addresses of the election's family. Until then, and when the list is empty,
	// it has none and speaks to nobody.
	PeersChanged struct{ Peers []netip.Addr }

	// GroupChanged tells a virtual router in a Group how the others are: its
	// leader, or, if it is the leader, all others. It is stepped when the Member
	// of one of them has changed, or its own if it is not the leader, and by a
	// leader before each Timer.
	GroupChanged struct{ Others []Member }

	// AddressRemoved: somebody else took a virtual address off the interface.
	AddressRemoved struct{}

	// SendFailed: the last Send did not leave, and the Acquire and Announce
	// that followed it were not performed.
	SendFailed struct{ Err error }

	// AcquireFailed: the last Acquire did not install every address.
	AcquireFailed struct{ Err error }

	// Suspended: the machine slept; monotonic time stood still meanwhile.
	Suspended struct{}

	// Fault: the interface cannot be used any more, for the reason given.
	Fault struct{ Reason string }

	// Timer: the Machine's Deadline may have passed.
	Timer struct{}
)

func (Startup) event()         {}
func (Shutdown) event()        {}
func (Received) event()        {}
func (StandingChanged) event() {}
func (PeersChanged) event()    {}
func (GroupChanged) event()    {}
func (AddressRemoved) event()  {}
func (SendFailed) event()      {}
func (AcquireFailed) event()   {}
func (Suspended) event()       {}
func (Fault) event()           {}
func (Timer) event()           {}
