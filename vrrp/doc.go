// Package vrrp is the Virtual Router Redundancy Protocol as values: the
// messages, timers and state machine of RFC 9568 (VRRPv3) and RFC 3768
// (VRRPv2), over IPv4 and, version 3, over IPv6. It reads no clock, opens no
// socket and starts no goroutine. Package router runs a [Machine] against a real
// network.
//
// # The machine
//
// A [Machine] takes events and returns actions:
//
//	actions := m.Step(now, event)
//
// The actions are performed in order, then the next event is waited for, until
// [Machine.Deadline] at the longest; then [Timer] is the event. Two of the
// actions can fail, and then SendFailed or AcquireFailed is the next event.
//
//	                  Startup                  silence
//	+------------+  ---------->  +--------+  ---------->  +--------+
//	| Initialize |               | Backup |               | Active |
//	+------------+  <----------  +--------+  <----------  +--------+
//	      ^       Fault, Shutdown         a better Active,    |
//	      |                               ill health, waking  |
//	      |                               late                |
//	      +---------------------------------------------------+
//	                       Fault, Shutdown
//
// # Health
//
// RFC 9568 has a priority and nothing else. Here a node also has a [Standing].
// A node whose service is ill does not lower its priority, which would move
// nothing for seconds, or never where failback is off: it hands over with
// Priority 0 and stays in the election at PriorityLastResort, so that an
// address is held even when every node is ill. A healthy Backup that hears an
// Active at last resort takes over after Skew_Time, whatever its failback.
//
// # Whom a node believes
//
// A packet is read by [Parse], or by an [Authenticator] where the nodes share
// keys, and then compared with the configuration by the machine. One that fails
// is discarded for a [Reason], touches no timer and no other state, and is worth
// a person's attention: [Config.Explain] says what its sender does and what would
// mend it. So are some that are obeyed, which [Machine.Doubts] finds: to discard
// what has another list of addresses, say, would make two Actives of one.
//
// An Authenticator signs with keepalived's auth_hmac trailer, and refuses what
// is not signed with a shared key, was signed too long ago, or comes again.
//
// # Groups
//
// Virtual routers of one node can move together: see [Group]. Each has a Machine
// of its own, which tells the others what they have to know ([Machine.Member])
// and is told of them ([GroupChanged]).
//
// # Two families
//
// A virtual router may have addresses of IPv4 and IPv6. It holds one election,
// over the family of its first address, in which those of the other are not
// mentioned: RFC 9568 would make two virtual routers of them, which can part.
//
// # Beyond the RFC
//
//   - An Active that finds that its last advertisement left more than three
//     intervals ago lets go before anything else: it was frozen, and others
//     have taken over. A Backup that is woken an interval after its deadline
//     listens anew, once, since what it missed is still to be read; after a
//     Priority 0, or with an Active at last resort, only when it is woken an
//     Active_Down_Interval late.
//   - An Active that yields says so with one last advertisement, so that the
//     winner learns of the contradiction and announces itself again.
//   - A node that takes over from an Active that it hears installs the addresses
//     before it advertises: the other one lets go as soon as it hears of it.
//   - Answers to contradictions are paced.
//   - An Active that shuts down while healthy goes on answering until its
//     successor has spoken and announced itself, one interval and one second
//     at most.
//   - Failback may wait (see [Failback]), where the RFC knows on and off.
//   - An interval learned from an Active counts as 10ms at least.
//   - A node that could not install its addresses stays out of the election
//     for 5s, then longer, up to a minute.
//
// # Design
//
// Time is data: deadlines are instants in the state that they belong to and
// vanish with it, so that no stale timer can fire and every run can be
// repeated. An advertisement is checked in full, first by [Parse] and then
// against the configuration, before it touches any state; one that fails
// touches no timer.
package vrrp
