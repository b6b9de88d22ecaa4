// Command ngha runs an nginx and shares virtual IP addresses with other nodes by
// VRRP. See the README for what it does, and `ngha help` for how it is told to.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ngha/supervisor/config"
	"ngha/supervisor/standin"
)

// The exit codes. Scripts and service managers hang on them.
const (
	exitDone       = 0 // done, or ended in an orderly way
	exitFailed     = 1
	exitUsage      = 2 // a command line or a configuration that does not hold; nothing was done
	exitGivenUp    = 3 // nginx could not be kept running
	exitNotApplied = 4 // reload, upgrade: nginx goes on with the configuration it had

	exitAborted = 128 + 6 // a crash, or SIGABRT; a shell says the same of one that was killed by it
)

func main() {
	standin.Act()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run carries one command line out and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitDone
	}
	if f, ok := errors.AsType[*failure](err); ok {
		say(stderr, fmt.Sprintf("ngha: %v\n", f.err))
		return f.code
	}
	// What is no failure of a command is cobra's, and about the command line.
	words := fmt.Sprintf("ngha: %v\n", err)
	if !strings.HasSuffix(err.Error(), "\n") {
		words += fmt.Sprintf("See `%s --help`.\n", cmd.CommandPath())
	}
	say(stderr, words)
	return exitUsage
}

// sayLimit is how long the last words may take.
const sayLimit = time.Second

// say writes the last words before the end. Where nobody reads them the end
// does not wait for it: somebody waits for the exit code.
func say(w io.Writer, words string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		io.WriteString(w, words)
	}()
	select {
	case <-said:
	case <-time.After(sayLimit):
	}
}

// failure is an error with the exit code that it means.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

// fail returns err as a failure; a configuration that does not hold is known by
// its type.
func fail(code int, err error) error {
	if faults, ok := errors.AsType[config.Errors](err); ok {
		return &failure{exitUsage, fmt.Errorf("%s\n\n%w", heading(len(faults)), faults)}
	}
	return &failure{code, err}
}

func heading(faults int) string {
	if faults == 1 {
		return "the configuration has a fault; nothing was done"
	}
	return fmt.Sprintf("the configuration has %d faults; nothing was done", faults)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ngha",
		Short:         "Run nginx behind virtual IP addresses that move to another node when it fails",
		SilenceErrors: true,
		SilenceUsage:  true,
		Long: `ngha runs an nginx, watches whether it serves, and shares virtual IP addresses
with other nodes by VRRP: the healthy node with the highest priority has them.

Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 nginx given up,
4 reload or upgrade not applied.`,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newRun(), newEntrypoint(), newReload(), newUpgrade(), newClear(), newStatus(), newVersion())
	return root
}
