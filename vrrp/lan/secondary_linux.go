package lan

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// devconfPromoteSecondaries is the number of promote_secondaries in
// IFLA_INET_CONF (linux/ip.h).
const devconfPromoteSecondaries = 20

// networked tells whether an IPv4 address among addrs is installed with a
// network. An address that comes into it later is a secondary one, also if it is
// the node's own.
func networked(addrs []netip.Prefix) bool {
	return slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is4() && !a.IsSingleIP() })
}

// keepSecondaries has the kernel keep an interface's secondary addresses when the
// one before them goes, also by the end of its lease.
func (r *requests) keepSecondaries(index int) error {
	var conf, inet, spec message
	conf = conf.attribute(devconfPromoteSecondaries, number(1))
	inet = inet.attribute(unix.IFLA_INET_CONF, conf)
	spec = spec.attribute(unix.AF_INET, inet)
	return r.do(aboutLink(unix.RTM_SETLINK, unix.NLM_F_ACK, index).attribute(unix.IFLA_AF_SPEC, spec))
}
