// Command within runs a program with the nginx of another Debian release, of
// which testenv/root has made the file system: the tests of a package that know
// only the nginx of their machine, say.
//
//	testenv/test -exec 'go run ngha/testenv/within trixie' ./nginxctl ./supervisor
package main

import (
	"fmt"
	"os"

	"ngha/testenv"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: within SUITE COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "within: %v\n", testenv.RunWithin(os.Args[1], os.Args[2:]...))
	os.Exit(1)
}
