package nginxctl

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ngha/nginxctl/nginxtest"
)

// testContext is bounded generously: no test waits that long.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// testNginx runs command with its streams in a file, the path of which it
// returns.
func testNginx(t *testing.T, command []string) (n Nginx, output string) {
	t.Helper()
	output = filepath.Join(t.TempDir(), "output")
	f, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Nginx{Command: command, Stdout: f, Stderr: f}, output
}

// start starts n; all of its session ends with the test.
func start(t *testing.T, n Nginx) *Master {
	t.Helper()
	m, err := n.Start(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// startSite starts the real nginx and waits until it is ready.
func startSite(t *testing.T, c nginxtest.Config) (*nginxtest.Site, *Master) {
	t.Helper()
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, c)
	n, _ := testNginx(t, s.Command())
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return s, m
}

func mustProbe(t *testing.T, url string) Probe {
	t.Helper()
	p, err := ParseProbe(url)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func workers(t *testing.T, m *Master) []Process {
	t.Helper()
	procs, err := m.Workers()
	if err != nil {
		t.Fatal(err)
	}
	return procs
}

// download begins a download that lasts longer than the test.
func download(t *testing.T, s *nginxtest.Site) *http.Response {
	t.Helper()
	answer, err := s.Get(testContext(t), s.Large)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", s.Large, answer.Status)
	}
	return answer
}

// allGone fails the test while a process of the session lives.
func allGone(t *testing.T, session int) {
	t.Helper()
	procs, err := members(session)
	if err != nil {
		t.Fatal(err)
	}
	if len(procs) > 0 {
		t.Errorf("processes of session %d live: %v", session, procs)
	}
}

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(testContext(t))
}
