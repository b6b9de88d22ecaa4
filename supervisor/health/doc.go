// Package health decides whether this node's nginx serves.
//
// The decision is a [Gate]: a pure value that is told what happened and when,
// and answers with a [Verdict]. It reads no clock and starts no goroutine. Its
// owner observes one [Event] at a time and sends a [Tick] when the Gate's
// Deadline has passed, and [Missed] first where it comes late itself:
//
//	         Rise answers in a row
//	Starting ----------------------> Healthy <---------------------+
//	   |                              |   |                        |
//	   | Start passed     Fall failures   | MasterDied             | MasterStarted,
//	   v                  in a row    |   v                        | then an answer
//	  Ill <---------------------------+  Repairing ----------------+
//	   |  <------------------------------ nobody answered for Repair,
//	   |                                  or Orphans passed
//	   +--> Healthy after Rise answers in a row from an nginx with a master
//
// Any failing check makes the node Ill whatever nginx does, and names itself in
// the reason; when the last one passes, what nginx is worth shows again.
//
// What is observed comes from two sources. A [Prober] asks nginx at a steady
// pace, whether or not the question before has been answered, so that a frozen
// nginx is known within one timeout and Fall intervals. A [Check] asks anything
// else ([HTTP], [Exec], [Link], or a function) and reports only when its answer
// has turned.
package health
