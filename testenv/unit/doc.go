// Package unit tests ngha as a host's service: its Debian package, and its unit
// under a real systemd, which is the first process of a container.
//
// They need a Docker engine, and skip where none answers.
package unit
