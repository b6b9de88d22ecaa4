package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// longInterval is from when on an interval that is learned from an Active, and
// longer than the node's own, is remarkable: should that Active fall silent,
// nobody takes over for three times as long.
const longInterval = 10 * time.Second

// Doubts returns what is remarkable about an advertisement that was not
// discarded; nil for one that a node configured like this one could have sent.
func (m *Machine) Doubts(adv Advertisement) []Reason {
	var list []Reason
	if common, same := compare(m.addrs, adv.Addrs); !same {
		if common {
			list = append(list, ReasonAddresses)
		} else {
			list = append(list, ReasonForeign)
		}
	}
	if adv.Priority == PriorityOwner {
		list = append(list, ReasonOwner)
	}
	switch {
	case adv.Interval == m.cfg.Interval:
	case adv.Interval > m.cfg.Interval && adv.Interval >= longInterval:
		list = append(list, ReasonLongInterval)
	default:
		list = append(list, ReasonOtherInterval)
	}
	if adv.Version == V3 && adv.Addrs[0].Is4() && adv.Checksum != m.cfg.Checksum {
		list = append(list, ReasonOtherChecksum)
	}
	return list
}

// compare tells whether two lists of addresses have one in common, and whether
// they are the same in any order.
func compare(mine, theirs []netip.Addr) (common, same bool) {
	if slices.Equal(mine, theirs) {
		return true, true
	}
	known := make(map[netip.Addr]bool, len(mine))
	for _, a := range mine {
		known[a] = true
	}
	shared := make(map[netip.Addr]bool, len(mine))
	foreign := false
	for _, a := range theirs {
		if known[a] {
			shared[a] = true
		} else {
			foreign = true
		}
	}
	return len(shared) > 0, len(shared) == len(known) && !foreign
}
