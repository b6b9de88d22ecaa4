package vrrp

import "net/netip"

// Action is an output of a Machine. The set is closed. Actions are performed
// in the order given. Once a Send or an Acquire has failed, what claims the
// addresses is left out of the rest of the list: Acquire, Announce, and Send but
// for Priority 0. Who cannot speak does not hold, and who cannot hold does not
// speak.
type Action interface{ action() }

type (
	// Send puts an advertisement on the LAN: to the multicast group, or to each
	// of To where the virtual router is Unicast. When it leaves for none of
	// them, SendFailed is stepped after the list. To have no peer is not to
	// fail.
	Send struct {
		Adv Advertisement
		To  []netip.Addr
	}

	// Acquire states that the virtual addresses shall be installed, and
	// renews the lease of those that are. It is idempotent. Where it fails,
	// AcquireFailed is stepped after the list.
	Acquire struct{}

	// Announce tells the LAN where the virtual addresses are: gratuitous ARP
	// for IPv4, unsolicited Neighbor Advertisements for IPv6.
	Announce struct{}

	// Release states that no virtual address shall be installed. It is
	// idempotent.
	Release struct{}

	// Transition reports a change of state that the actions before it carried
	// out.
	Transition struct {
		From, To State
		Reason   string
	}

	// Discard reports that a received advertisement was refused and touched
	// nothing.
	Discard struct {
		Src    netip.Addr
		Reason Reason
	}
)

func (Send) action()       {}
func (Acquire) action()    {}
func (Announce) action()   {}
func (Release) action()    {}
func (Transition) action() {}
func (Discard) action()    {}
