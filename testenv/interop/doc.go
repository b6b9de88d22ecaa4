// Package interop has no code but its tests: they put ngha beside keepalived,
// on one network and in one election, and judge both by what is on the wire
// and in the kernels.
package interop
