// Package supervisor is where health meets priority. It owns one nginx and the
// node's virtual routers, tells the routers what nginx's health allows, keeps
// nginx running, and writes the order in which everything ends.
//
// # Design
//
// One goroutine, Run, owns all state and only waits for events: a signal, the
// master's death, a probe's result, a finished job. Whatever may take time
// (starting nginx, clearing what a dead master left, reloading) is a job in a
// goroutine of its own, one at a time, whose result is one more event. The
// routers have loops of their own and share nothing with this one that could
// make them wait.
//
// nginx's files are watched by content. Around each load they are hashed before
// nginx reads them, so that what changes meanwhile is told, and loaded, once
// more. What was loaded becomes the last good configuration: a copy from which
// nginx is started when the files are broken, and which it leaves for another
// master, without a connection lost, when they are mended.
//
// A master is replaced beside one that lives for an upgrade, for workers that
// nginx does not start again, and for what a reload cannot do. The new one has to
// prove that it serves before the old one is retired: see trial.
//
// Orderly ends are written in one function, top to bottom: see shutdown.
package supervisor
