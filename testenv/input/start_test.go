package input_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// flags begin a command line with a virtual router in it, up to the --.
func flags(more ...string) []string {
	return append(append([]string{"run", "--vrid", "51", "--advert-interval", "300ms"}, more...), "--")
}

// router is flags with the usual address.
func router() []string { return flags("--vip", vip) }

// What keeps ngha from starting, and is found before anything is done.
func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	broken := n.nginx(site{name: "broken.conf", server: "retrun 200;"})
	blind := n.nginx(site{name: "blind.conf", status: "# none"})
	missing := filepath.Join(n.lab.Dir(), "sbin/nginx")
	directory := filepath.Dir(nginx[len(nginx)-1])
	script := n.file("plain-text", "echo nginx\n")
	for _, c := range []struct {
		name    string
		prefix  []string
		command []string
		code    int
		words   []string
	}{
		{"nginx missing", nil, []string{missing}, usage, []string{missing, "not found", "install nginx"}},
		{"wrapper missing", nil, []string{"/no/entrypoint.sh", "nginx"}, usage, []string{"/no/entrypoint.sh", "not found", "nginx.command"}},
		{"nginx not executable", nil, []string{script}, usage, []string{script, "may not be executed"}},
		{"nginx configuration broken", nil, broken, usage, []string{"nginx refuses", "retrun", broken[len(broken)-1] + ":"}},
		{"nginx configuration missing", nil, []string{"nginx", "-e", "stderr", "-c", "/no/nginx.conf"}, usage, []string{"nginx refuses", "/no/nginx.conf"}},
		{"nginx configuration a directory", nil, []string{"nginx", "-e", "stderr", "-c", directory}, usage, []string{"nginx refuses", directory}},
		{"nginx option unknown", nil, append(nginx, "-y"), usage, []string{"nginx refuses", "invalid option"}},
		{"no status location", nil, blind, usage, []string{"no stub_status location", "add to its http block", "location = /stub_status"}},
		{"no NET_ADMIN", []string{"setpriv", "--bounding-set", "-net_admin"}, nginx, failed, []string{"NET_ADMIN", "--cap-add NET_ADMIN"}},
		{"no NET_RAW", []string{"setpriv", "--bounding-set", "-net_raw"}, nginx, failed, []string{"NET_RAW", "--cap-add NET_RAW"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			n.refused(append(c.prefix, n.ngha(nil, append(router(), c.command...)...)...), c.code, c.words...)
		})
	}
}

// Capabilities are for virtual routers: who has none needs none.
func TestPlainSupervisorNeedsNoCapability(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	words := append([]string{"setpriv", "--bounding-set", "-net_admin,-net_raw"}, n.ngha(nil, append([]string{"run", "--"}, nginx...)...)...)
	p := n.start(words...)
	n.awaitHealthy()
	p.Signal(unix.SIGTERM)
	if state := p.AwaitExit(); state.ExitCode() != done {
		t.Errorf("it ended with %v", state)
	}
	n.nothingLeft()
}

// The second ngha of a host finds the control socket, or the metrics port,
// taken, and leaves the first one alone.
func TestSecondNghaIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	first := n.start(n.ngha(nil, append(router(), n.nginx(site{})...)...)...)
	n.awaitRouter("active")
	second := n.nginx(site{name: "second.conf"})
	refused := func(code int, args []string, words ...string) {
		t.Helper()
		got, output := n.run(n.ngha(nil, append(append([]string{"run"}, args...), append([]string{"--"}, second...)...)...)...)
		if got != code {
			t.Errorf("exit code %d, want %d\n%s", got, code, output)
		}
		for _, w := range words {
			if !strings.Contains(output, w) {
				t.Errorf("the message does not say %q\n%s", w, output)
			}
		}
		// The first one's ngha may just be asking an nginx for its configuration.
		n.lab.Await("the first ngha's processes alone", limit, func() error {
			if now := n.processes(); !slices.Equal(now, []string{"ngha", "nginx", "nginx"}) {
				return fmt.Errorf("there are %v", now)
			}
			return nil
		})
	}
	refused(failed, nil, "/run/ngha/ngha.sock", "another ngha, pid ", "--socket")
	refused(failed, []string{"--socket", "/run/second.sock"}, "metrics", "127.0.0.1:9650", "in use", "--metrics")
	// Only the start of nginx finds that port 80 is taken.
	file := n.file("ngha.yaml", "nginx: {restarts: 0}\nmetrics: {listen: off}\ncontrol: {socket: /run/second.sock}\n"+
		"health: {url: \"http://unix:/run/second-status.sock:/stub_status\"}\n")
	refused(givenUp, []string{"--config", file}, "0.0.0.0:80", "in use", "nginx given up")

	n.host.AwaitHolds(vip)
	n.awaitBody("/", "here")
	first.Signal(unix.SIGTERM)
	first.AwaitExit()
	n.nothingLeft()
}

// Attempts that fail are paced, so that what is in nginx's way has time to go.
func TestFailedStartsArePaced(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	wrapper := n.script("entrypoint", "#!/bin/sh\nfor word; do test \"$word\" = -t && exec \"$@\"; done\nexit 1\n")
	file := n.file("ngha.yaml", "nginx: {restarts: 3}\n")
	begun := time.Now()
	n.refused(n.ngha(nil, append([]string{"run", "--config", file, "--", wrapper}, n.nginx(site{})...)...), givenUp, "nginx given up", "code 1")
	// None before the first restart, then 250 ms and 500 ms.
	if took := time.Since(begun); took < 750*time.Millisecond {
		t.Errorf("three restarts within %v", took)
	}
}
