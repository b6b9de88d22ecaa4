// Package system has no code but its tests: they run whole nodes, real nginx
// and real kernel included, and break them as hardware, networks and software
// do. They look on as a client does, by HTTP and by ARP, and as the switch
// does; what a node says of itself is asked only where that is the point.
//
// Every test keeps the law of one owner: never do two nodes answer ARP for a
// virtual address, but in a window that the test declares with its reason and
// its limit.
package system
