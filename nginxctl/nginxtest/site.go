// Package nginxtest has what tests of nginx need: a small configuration in a
// folder of its own for the real nginx, and a fake nginx for failures which the
// real one cannot be told to make.
package nginxtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Require skips the test where nginx or one of programs is missing or we are not
// root, and names what is missing. With NGHA_REQUIRE_ROOT_TESTS=1 it fails
// instead.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, p := range append([]string{"nginx"}, programs...) {
		if _, err := exec.LookPath(p); err != nil {
			missing = p
		}
	}
	switch {
	case missing == "":
	case os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1":
		t.Fatalf("%s is missing", missing)
	default:
		t.Skipf("%s is missing", missing)
	}
}

// Config is what varies between test configurations. The zero value has two
// workers and one server on the site's unix socket.
type Config struct {
	Listen  []string // addresses of the server besides the unix socket
	Node    string   // value of the X-Node header in every answer
	Workers int      // 0: 2
	Log     string   // where nginx logs errors; "": the site's Log
	Main    string   // more directives for the main context
	HTTP    string   // ... for the http block
	Server  string   // ... for the server
}

// Site is a configuration for the real nginx in a folder of its own: prefix,
// pid file, logs and sockets. The folder's name is short, since a unix socket's
// path must be, and open to workers, which run as another user.
type Site struct {
	Dir    string
	Conf   string // the main configuration file
	PID    string // the pid file
	Log    string // the error log
	Socket string // a unix socket that the server listens on
	Large  string // URI of a download that takes a minute
}

// NewSite writes a configuration. The folder goes with the test.
func NewSite(t testing.TB, c Config) *Site {
	t.Helper()
	dir, err := os.MkdirTemp("", "ngx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Site{
		Dir:    dir,
		Conf:   filepath.Join(dir, "nginx.conf"),
		PID:    filepath.Join(dir, "nginx.pid"),
		Log:    filepath.Join(dir, "error.log"),
		Socket: filepath.Join(dir, "http.sock"),
		Large:  "/large",
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 600<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Write(t, c)
	return s
}

// Write replaces the configuration.
func (s *Site) Write(t testing.TB, c Config) {
	t.Helper()
	if err := os.WriteFile(s.Conf, []byte(s.text(c)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *Site) text(c Config) string {
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Log == "" {
		c.Log = s.Log
	}
	var b strings.Builder
	fmt.Fprintf(&b, "worker_processes %d;\npid %s;\nerror_log %s;\n%s\nevents {}\nhttp {\n", c.Workers, s.PID, c.Log, c.Main)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "  %s_temp_path %s/temp_%s;\n", kind, s.Dir, kind)
	}
	fmt.Fprintf(&b, "  access_log off;\n%s\n  server {\n    listen unix:%s;\n", c.HTTP, s.Socket)
	for _, l := range c.Listen {
		fmt.Fprintf(&b, "    listen %s;\n", l)
	}
	fmt.Fprintf(&b, "    root %s;\n    add_header X-Node %q always;\n", s.Dir, c.Node)
	b.WriteString("    location = /stub_status { stub_status; }\n    location = /large { limit_rate 10k; }\n")
	fmt.Fprintf(&b, "    location = / { return 200 \"ok\\n\"; }\n%s\n  }\n}\n", c.Server)
	return b.String()
}

// Command runs nginx with the site's configuration.
func (s *Site) Command() []string {
	return []string{"nginx", "-p", s.Dir, "-c", s.Conf, "-g", "daemon off;"}
}

// StatusURL is the status endpoint as a probe's URL.
func (s *Site) StatusURL() string { return "http://unix:" + s.Socket + ":/stub_status" }

// Get asks over the unix socket and returns the node that answered. The caller
// closes the answer's body.
func (s *Site) Get(ctx context.Context, uri string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+uri, nil)
	if err != nil {
		return nil, err
	}
	transport := http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", s.Socket)
		},
	}
	return transport.RoundTrip(req)
}

// Node is the X-Node header of one short answer.
func (s *Site) Node(ctx context.Context) (string, error) {
	answer, err := s.Get(ctx, "/")
	if err != nil {
		return "", err
	}
	answer.Body.Close()
	return answer.Header.Get("X-Node"), nil
}

// Eventually waits until ok holds, which it asks every few milliseconds, and
// fails the test when that takes too long.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
