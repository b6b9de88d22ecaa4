// Package config makes one validated value of a file, the environment and the
// command line.
//
// # Design
//
// Everything that can be said is a row of the tables in keys.go: the key of the
// file, its default as one would write it, its flag, its help text and how it is
// read. The environment, the flags and the documentation follow from them.
//
// The file becomes a tree whose values know their places; what the environment
// and the flags say is put into the same tree, so that it knows its place too;
// then one decoder reads the tree. It never stops at a fault, so that the operator is
// told all of them at once, each with its place and its cure. A configuration
// with a fault yields nothing.
package config
