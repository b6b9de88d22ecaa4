package input_test

import (
	"errors"
	"strings"
	"testing"

	"ngha/testenv"
)

// An nginx that would leave the foreground, or runs without a master, cannot be
// supervised: known before anything is started, like every other fault of a
// configuration.
func TestNginxOutOfHandIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, c := range []struct {
		name    string
		command []string
		words   []string
	}{
		{"daemon on", n.nginx(site{name: "daemon.conf", main: "daemon on;"}), []string{"daemon.conf:1:", "daemon on", "foreground"}},
		{"daemon on in -g", append(n.nginx(site{}), "-g", "daemon on;"), []string{"-g", "daemon on", "foreground"}},
		{"no master", n.nginx(site{name: "single.conf", main: "master_process off;"}), []string{"single.conf:1:", "master_process off", "master"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			n.refused(n.ngha(nil, append(router(), c.command...)...), usage, c.words...)
		})
	}
}

// A wrapper that runs nginx instead of becoming it is told so, by the log of
// the node and by its status, in less time than a person waits.
func TestWrapperWithoutExec(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	wrapper := n.script("entrypoint", "#!/bin/sh\n\"$@\"\n")
	file := n.file("ngha.yaml", "nginx: {restarts: 0}\n")
	n.refused(n.ngha(nil, append([]string{"run", "--config", file, "--vrid", "51", "--vip", vip, "--", wrapper}, n.nginx(site{})...)...), givenUp,
		"a wrapper must end in `exec nginx", "nginx given up")
}

// Nothing asks nginx where it has no status location: the status says so.
func TestStatusWarnsOfMissingStatusLocation(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(n.ngha(nil, append([]string{"run", "--"}, n.nginx(site{status: "# none"})...)...)...)
	n.awaitHealthy()
	n.awaitWarning("stub_status")
	n.end(p)
}

// awaitWarning waits until one of the status's warnings has word in it.
func (n *node) awaitWarning(word string) {
	n.Helper()
	n.await("warned of "+word, func(s testenv.Status) error {
		for _, w := range s.Warnings {
			if strings.Contains(w, word) {
				return nil
			}
		}
		return errors.New("it warns of something else, or of nothing")
	})
}
