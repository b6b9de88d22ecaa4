// Package lan is the interfaces of the Linux kernel as virtual routers need
// them: sockets for advertisements, addresses with leases, gratuitous ARP and
// unsolicited Neighbor Advertisements, and word of when there is such an
// interface.
//
// A Network follows the kernel's own notifications, for all virtual routers of
// the process, and hands each one a Port whenever its interface can be used: it
// exists, is up, has carrier, and has an address of its own. It never polls.
//
// A link that is lost is told at once, as is its return. Where that happens again
// and again, Steady tells until when the link is not to be relied on.
//
// # Many virtual routers
//
// What can be shared is: there is one subscription to the kernel's
// notifications, one socket for changes of addresses, for each interface one for
// announcements, and for each of its families one socket that sends
// advertisements and one that hears them. They are opened for the first Port that needs them and closed with the last one.
// The socket that hears is a member of the multicast group once, and has a
// filter by which the kernel drops what is for none of the present virtual
// routers: others' traffic costs nothing. What passes is checked and dealt out
// by VRID. A virtual router that does not take its packets loses them, counted,
// and holds up nobody. Packets that come in quick succession wait for each other,
// for a fiftieth of the shortest interval and 2 ms at most, and are read together.
//
// # Addresses
//
// A virtual address is installed with a lifetime, its lease. Acquire renews
// it; when nobody does, because the process was killed, stopped or starved,
// the kernel removes the address by itself. So an address cannot outlive its
// owner by more than the lease and a second.
//
// Every address carries the tag 112 in the kernel's IFA_PROTO attribute, which
// recent versions of "ip address" print as its proto. It tells our addresses
// from the node's own: a tagged address is never the source of advertisements,
// and what a killed run left behind is removed before a new one begins. Kernels
// before 5.18 do not keep the tag. There such a leftover counts as the node's
// own until its lease ends, which delays the new run by as much.
//
// An address is installed as /32. A length written in the configuration is
// used only where the node has no own address in that network: beside one, the
// kernel would make either a secondary of the other and delete both together.
// Should the node get one there later, it is the secondary: promote_secondaries
// of the interface is set to 1, and stays so, that it be kept.
// As /32 it has no network and is nobody's secondary, and as it comes after the
// node's own address, that one stays the source of the node's own connections.
// Of IPv6 all this is so of /128, and the kernel is told in addition that the
// address is not preferred, for it may take the one closest to where a connection
// goes, and that nobody need be asked whether they have it: a predecessor may
// still answer, and the address would be without use for a second.
//
// # IPv6
//
// An interface that is to have an IPv6 address must have a link-local one of its
// own, which has passed duplicate address detection. From that one multicast and
// what goes to link-local peers is sent; what goes to other peers leaves from an
// own address that is valid everywhere, if there are several from one in the
// network of the first virtual address, and sooner from a static one than from one
// that a router gave.
//
// A Neighbor Advertisement has the Override flag, and is not Solicited. Its Router
// flag is what the interface's setting "forwarding" says, as in keepalived, where
// RFC 9568 has it always set: the kernel answers for the address too, and goes by
// that setting. Neighbors that hear now one and now the other would take the node
// for a router that ceased to be one, again and again.
//
// Each renewal makes the kernel report the interface's multicast memberships
// again, as at its start: with one or two packets (MLD, RFC 3810).
//
// # Virtual MAC addresses
//
// On demand the addresses are at the MAC address that RFC 9568 reserves for the
// virtual router, so that clients need not hear that one has moved; switches learn
// it from the advertisements. A Port then makes a macvlan interface for each family
// of its addresses, which is deleted with it and is up only while it has them. What
// the node sends from such an address leaves by the interface below, with that
// one's MAC address: clients do not care. For the two to live side by side both need
// arp_ignore 1, arp_announce 2, no arp_filter, and no strict rp_filter. What the
// interface below had before is noted in the alias of each macvlan interface, where
// it outlives a killed process, and restored before the last of them goes.
//
// # Namespaces
//
// A socket belongs for ever to the network namespace of the thread which
// opened it. Network.Run and Probe open all their sockets, those of the Ports
// too, on the goroutine that calls them; whoever changes the namespace of a
// thread calls them on a goroutine locked to that thread. All else may be called
// from anywhere. There is one Network for each namespace.
//
// # Limits
//
// What is longer than the interface's MTU does not leave: no advertisement is
// sent in fragments. Without virtual MAC addresses the
// settings arp_ignore, arp_announce, rp_filter and proxy_arp are left as the
// administrator has them.
package lan
