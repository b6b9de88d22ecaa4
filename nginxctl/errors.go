package nginxctl

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// ExitError says how the master ended, an orderly end included.
type ExitError struct {
	Code   int         // exit code; -1 if it was killed or its end is not known
	Signal unix.Signal // the signal that killed it; 0 if it exited
	Asked  bool        // Stop or Kill had been called
	Ready  bool        // it had been ready
	Reason string      // nginx's own words where they can be had
	Err    error       // why the end is not known
}

func (e *ExitError) Error() string {
	var b strings.Builder
	b.WriteString("nginx ")
	switch {
	case e.Err != nil:
		fmt.Fprintf(&b, "ended, waiting for it: %v", e.Err)
	case e.Signal != 0:
		fmt.Fprintf(&b, "was killed by %s", unix.SignalName(e.Signal))
	default:
		fmt.Fprintf(&b, "exited with code %d", e.Code)
	}
	if !e.Ready {
		b.WriteString(" before it was ready")
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	return b.String()
}

func (e *ExitError) Unwrap() error { return e.Err }

// NotInheritedError says that nginx did not get ready, and had not been given
// the sockets in custody, which are in its way then: its wrapper closes
// descriptors, or clears the environment. Without custody it may start.
type NotInheritedError struct {
	Err error // how it ended
}

func (e *NotInheritedError) Error() string {
	return fmt.Sprintf("nginx's wrapper keeps inherited sockets, or the variable NGINX, from it: %v", e.Err)
}

func (e *NotInheritedError) Unwrap() error { return e.Err }

// RejectedError says that nginx did not take its new configuration: the old one
// goes on.
type RejectedError struct {
	Reason string // nginx's own words, or where to look for them
}

func (e *RejectedError) Error() string { return "nginx did not apply its configuration: " + e.Reason }

// NoStatusError says that no stub_status location can be asked.
type NoStatusError struct {
	Unusable []string // the locations that were found, and what is in the way
}

// StatusSnippet is a server for nginx's http block which answers Status.
const StatusSnippet = `server {
    listen unix:/run/ngha/nginx.sock;  # or: listen 127.0.0.1:8081;
    access_log off;
    location = /stub_status { stub_status; }
}`

func (e *NoStatusError) Error() string {
	var b strings.Builder
	b.WriteString("nginx's configuration has no stub_status location that can be asked\n")
	for _, u := range e.Unusable {
		b.WriteString("  " + u + "\n")
	}
	b.WriteString("add to its http block, in conf.d/ for example (the socket's directory must exist):\n")
	b.WriteString(StatusSnippet)
	return b.String()
}
