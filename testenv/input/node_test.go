package input_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

const (
	own = "198.51.100.1"
	vip = "198.51.100.100"

	// limit is how long is waited for what must happen, far beyond all timers.
	limit = 40 * time.Second
)

// The exit codes as they are documented.
const (
	done       = 0
	failed     = 1
	usage      = 2 // or an invalid configuration
	givenUp    = 3
	notApplied = 4
)

// node is a host on which ngha is run by hand, several times if need be.
type node struct {
	*testing.T
	lab  *testenv.Lab
	lan  *testenv.Bridge
	host *testenv.Host
}

func newNode(t *testing.T) *node {
	t.Helper()
	return newNodeOf(t, "")
}

// newNodeOf is newNode with the nginx of a release of Debian; "" is this
// machine's.
func newNodeOf(t *testing.T, release string) *node {
	t.Helper()
	lab := testenv.New(t)
	testenv.RequireBinary(t, "nginx")
	lab.Binary() // now, since a subtest cannot end this test
	n := &node{T: t, lab: lab, lan: lab.Bridge("lan"), host: lab.Host("a")}
	n.host.SetRoot(lab.Root(release))
	n.lan.Attach(n.host, own+"/24")
	return n
}

// with returns n for a subtest.
func (n *node) with(t *testing.T) *node {
	c := *n
	c.T = t
	return &c
}

// file writes a file and returns its path.
func (n *node) file(name, content string) string {
	n.Helper()
	path := filepath.Join(n.lab.Dir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		n.Fatal(err)
	}
	return path
}

// site is what an nginx.conf is made of.
type site struct {
	name   string // of the file; "": nginx.conf
	main   string // directives of the main context
	server string // of the server on port 80
	log    string // where nginx logs errors; "": its standard error
	status string // "": a location that ngha finds
}

const found = "location = /stub_status { stub_status; }"

// nginx writes nginx's configuration and returns the command that runs it.
func (n *node) nginx(s site) []string {
	n.Helper()
	if s.name == "" {
		s.name = "nginx.conf"
	}
	if s.status == "" {
		s.status = found
	}
	if s.log == "" {
		s.log = "stderr"
	}
	conf := n.file(s.name, fmt.Sprintf(`%s
worker_processes 1;
pid /run/nginx/%s.pid;
error_log %s;
events {}
http {
	access_log off;
	client_body_temp_path /run/nginx/body;
	proxy_temp_path /run/nginx/proxy;
	fastcgi_temp_path /run/nginx/fastcgi;
	uwsgi_temp_path /run/nginx/uwsgi;
	scgi_temp_path /run/nginx/scgi;
	server {
		listen 80;
		location / { return 200 "here\n"; }
		%s
		%s
	}
}
`, s.main, s.name, s.log, s.server, s.status))
	return []string{"nginx", "-e", "stderr", "-c", conf}
}

// ngha returns the command line of an ngha which sees no NGHA_ variable but
// those in env. The race detector's second of sleep at every end is left out.
func (n *node) ngha(env []string, args ...string) []string {
	words := []string{"env"}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "NGHA_") {
			words = append(words, "-u", name)
		}
	}
	words = append(append(words, "GORACE=atexit_sleep_ms=0"), env...)
	words = append(words, n.lab.Binary())
	return append(words, args...)
}

// run runs a command on the host to its end, which comes within limit, and
// returns its exit code and all that it wrote.
func (n *node) run(words ...string) (code int, output string) {
	n.Helper()
	bound := fmt.Sprintf("%.0f", limit.Seconds())
	output, err := n.host.Run("timeout", append([]string{"-s", "KILL", bound}, words...)...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), output
	}
	if err != nil {
		n.Fatalf("run %s: %v", strings.Join(words, " "), err)
	}
	return 0, output
}

// client runs an ngha that asks the one that runs.
func (n *node) client(args ...string) (code int, output string) {
	n.Helper()
	return n.run(n.ngha(nil, args...)...)
}

// start starts a command on the host.
func (n *node) start(words ...string) *testenv.Process {
	n.Helper()
	return n.host.Start(exec.Command(words[0], words[1:]...))
}

// refused wants the command line to end with the code, to say every one of
// words, and to leave nothing. It returns all that was said.
func (n *node) refused(line []string, code int, words ...string) (output string) {
	n.Helper()
	got, output := n.run(line...)
	if got != code {
		n.Errorf("exit code %d, want %d", got, code)
	}
	for _, w := range words {
		if !strings.Contains(output, w) {
			n.Errorf("the message does not say %q", w)
		}
	}
	// What a log says is not for whoever reads the last lines of a terminal.
	if told := strings.Count("\n"+output, "\nngha: "); told != 1 {
		n.Errorf("it tells of %d errors, want 1", told)
	}
	for _, trace := range []string{"goroutine ", "panic:", "0x"} {
		if strings.Contains(output, trace) {
			n.Errorf("the message has %q in it", trace)
		}
	}
	n.nothingLeft()
	if n.Failed() {
		n.Logf("%s\n%s", strings.Join(line, " "), output)
	}
	return output
}

// nothingLeft wants the host to have no address but its own, and no process of
// ngha and nginx.
func (n *node) nothingLeft() {
	n.Helper()
	n.onlyOwnAddress()
	if left := n.processes(); len(left) > 0 {
		n.Errorf("there are processes of %q", left)
	}
}

func (n *node) onlyOwnAddress() {
	n.Helper()
	have, err := n.host.Addresses()
	if err != nil {
		n.Fatal(err)
	}
	have = slices.DeleteFunc(have, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
	if want := []netip.Prefix{netip.MustParsePrefix(own + "/24")}; !slices.Equal(want, have) {
		n.Errorf("the host has %v, want %v", have, want)
	}
}

// processes lists the host's processes of ngha and nginx, by name. Those are left
// out that have ended and that the init has not come to reap.
func (n *node) processes() []string {
	n.Helper()
	// A process may end while it is looked at.
	_, output := n.run("sh", "-c", `sed -n 's/^[0-9]* (\(.*\)) [^ZX] .*/\1/p' /proc/[0-9]*/stat 2>/dev/null`)
	var found []string
	for name := range strings.FieldsSeq(output) {
		if name == "ngha" || name == "nginx" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// await waits until `ngha status --json` shows what check wants.
func (n *node) await(what string, check func(testenv.Status) error) {
	n.Helper()
	n.lab.Await("the node to be "+what, limit, func() error {
		code, output := n.client("status", "--json")
		if code != done {
			return fmt.Errorf("ngha status: exit code %d\n%s", code, output)
		}
		var s testenv.Status
		if err := json.Unmarshal([]byte(output), &s); err != nil {
			return fmt.Errorf("%w\n%s", err, output)
		}
		if err := check(s); err != nil {
			return fmt.Errorf("%w\n%s", err, output)
		}
		return nil
	})
}

func (n *node) awaitHealthy() {
	n.Helper()
	n.await("healthy", func(s testenv.Status) error {
		if !s.Health.Healthy {
			return fmt.Errorf("it is %s: %s", s.Health.State, s.Health.Reason)
		}
		return nil
	})
}

// awaitRouter waits until the node is healthy and its virtual router in state,
// for a reason that says all of words.
func (n *node) awaitRouter(state string, words ...string) {
	n.Helper()
	n.await(state, func(s testenv.Status) error {
		if !s.Health.Healthy || len(s.VirtualRouters) != 1 || s.VirtualRouters[0].State != state {
			return errors.New("it is not, or not healthy")
		}
		for _, w := range words {
			if r := s.VirtualRouters[0].Reason; !strings.Contains(r, w) {
				return fmt.Errorf("the reason %q does not say %q", r, w)
			}
		}
		return nil
	})
}

// awaitGeneration waits until that configuration is in force, current or stale.
func (n *node) awaitGeneration(generation uint64, configuration string) {
	n.Helper()
	n.await(configuration, func(s testenv.Status) error {
		if s.Nginx.Generation != generation || s.Nginx.Configuration != configuration {
			return fmt.Errorf("generation %d is %s", s.Nginx.Generation, s.Nginx.Configuration)
		}
		return nil
	})
}

// get asks the host's own nginx, over its own address.
func (n *node) get(path string) (string, error) {
	return get(n.host, "http://"+own+path)
}

// awaitBody waits until the host's nginx answers with body.
func (n *node) awaitBody(path, body string) {
	n.Helper()
	n.lab.Await("an answer "+body, limit, func() error {
		got, err := n.get(path)
		if err == nil && got != body+"\n" {
			err = fmt.Errorf("it answers %q", got)
		}
		return err
	})
}

// script writes a program and returns its path.
func (n *node) script(name, content string) string {
	n.Helper()
	path := n.file(name, content)
	if err := os.Chmod(path, 0o755); err != nil {
		n.Fatal(err)
	}
	return path
}
