// Package router runs one virtual router: it gives a vrrp.Machine what happens
// on a LAN and does what the machine answers.
//
// A Router is one goroutine with one timer. It waits for an input, steps the
// machine, performs the actions, publishes a snapshot. Nothing it calls may
// block: it shares no lock that is held over I/O, and what others want of it
// (SetStanding, SetPeers, Attach, Detach) is left in an inbox whose last value
// wins. How late the timer was served is measured and part of the snapshot.
//
// An interface may not exist yet, or come back as another one. So the LAN is
// no parameter of New: a watcher attaches a Port when there is one and
// detaches it, with the reason, when it is gone.
//
// # Alarms
//
// What is wrong with received advertisements, be they discarded or obeyed,
// becomes an [Alarm] for each sender and reason, for as long as it goes on, and
// a line in the log when it begins and once a minute then. Only a few senders
// are remembered for each reason, so that forged ones cost no memory.
package router
