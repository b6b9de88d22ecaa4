// Package lan is the interfaces of the Linux kernel as virtual routers need
// them: sockets for advertisements, addresses with leases, gratuitous ARP, and
// word of when there is such an interface.
//
// A Network follows the kernel's own notifications, for all virtual routers of
// the process, and hands each one a Port whenever its interface can be used: it
// exists, is up, has carrier, and has an address of its own. It never polls.
//
// # Many virtual routers
//
// What can be shared is: there is one subscription to the kernel's
// notifications, one socket for changes of addresses, and for each interface one
// socket that sends advertisements, one that hears them, and one for ARP. They
// are opened for the first Port that needs them and closed with the last one.
// The socket that hears is a member of the multicast group once, and has a
// filter by which the kernel drops what is for none of the present virtual
// routers: others' traffic costs nothing. What passes is checked and dealt out
// by VRID. A virtual router that does not take its packets loses them, counted,
// and holds up nobody.
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
// As /32 it has no network and is nobody's secondary, and as it comes after the
// node's own address, that one stays the source of the node's own connections.
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
// IPv4 only. The settings arp_ignore, arp_announce, rp_filter and proxy_arp
// are left as the administrator has them.
package lan
