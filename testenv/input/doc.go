// Package input has no code but its tests: they give the real program what
// tired people and half-written scripts give it, and want one clear answer, the
// right exit code, and nothing left behind.
package input
