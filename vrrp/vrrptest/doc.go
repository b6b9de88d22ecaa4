// Package vrrptest holds the machines of package vrrp to account. It offers
// three worlds to put them in:
//
//   - [LAN] is an in-memory network of real bytes for tests of code that runs
//     a vrrp.Machine in real goroutines, under testing/synctest as a rule.
//   - [Sim] is a seeded simulation of several machines on a network that
//     loses, delays and cuts, with invariants checked after every step.
//   - [Script] is a small language for scenarios, whose transcript reads like
//     a play.
//
// Sim and Script share one model of a node's surroundings: an event queue in
// virtual time, so that every run can be repeated exactly.
package vrrptest
