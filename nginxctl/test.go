package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// TestError says that nginx refused its configuration.
type TestError struct {
	Output string // all that `nginx -t` wrote
}

// Error quotes what nginx found wrong, one line for each fault.
func (e *TestError) Error() string {
	var faults []string
	for line := range strings.Lines(e.Output) {
		if fault, _, ok := parseFault(line); ok && !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	if len(faults) == 0 {
		return "the test of nginx's configuration failed: " + strings.TrimSpace(e.Output) // by its wrapper perhaps
	}
	return "nginx refuses its configuration: " + strings.Join(faults, "\n")
}

// Test has nginx test its configuration: nil, or a *TestError with nginx's own
// words. It runs the wrapper too, if there is one, and shows what that writes
// on our standard error; Direct leaves the wrapper out. A command that hides
// nginx is not tested.
//
// Passing is no promise. nginx tests neither whether another process has the
// port nor whether the change can be made to a running nginx.
func (n Nginx) Test(ctx context.Context) error {
	c := n.command().withoutDaemon()
	if c.hidden {
		return nil
	}
	var echo io.Writer
	if len(c.wrapper) > 0 {
		echo = n.stderr()
	}
	_, _, err := n.inspect(ctx, c.words("-t"), echo)
	return err
}

// inspect runs an nginx that only looks at its configuration. An exit code
// other than 0 is a *TestError.
func (n Nginx) inspect(ctx context.Context, words []string, echo io.Writer) (stdout, stderr string, err error) {
	out, errs, err := n.run(ctx, words, echo)
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		output := string(errs)
		if echo != nil {
			output = string(out) + output
		}
		return "", "", &TestError{Output: output}
	}
	if err != nil {
		return "", "", fmt.Errorf("run %s: %w", strings.Join(words, " "), err)
	}
	return string(out), string(errs), nil
}
