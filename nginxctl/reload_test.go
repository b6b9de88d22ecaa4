package nginxctl

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

func TestReloadIsAppliedWhenItReturns(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Node: "one"})
	s.Write(t, nginxtest.Config{Node: "two", Workers: 4})
	before := workers(t, m)
	if err := m.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if node, err := s.Node(testContext(t)); err != nil || node != "two" {
		t.Errorf("answered by %q, %v; want the new configuration", node, err)
	}
	for _, p := range workers(t, m) {
		for _, q := range before {
			if p.same(q) && p.IsWorker() && !p.ShuttingDown() { // one that exits has no title
				t.Errorf("%v is of the old configuration and goes on", p)
			}
		}
	}
	if m.Stopping() {
		t.Error("a reload is taken for a stop")
	}
}

func TestReloadThatMovesEveryListenIsNoStop(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	s.Socket += "2"
	s.Write(t, nginxtest.Config{})
	if err := m.Signal(unix.SIGHUP); err != nil { // not by us
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the new socket", func() bool {
		if m.Stopping() {
			t.Error("a reload is taken for a stop")
		}
		_, err := s.Node(testContext(t))
		return err == nil
	})
}

func TestReloadWithADownloadInFlight(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Node: "one"})
	download(t, s)
	s.Write(t, nginxtest.Config{Node: "two"})
	if err := m.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
	leaving := 0
	for _, p := range workers(t, m) {
		if p.ShuttingDown() {
			leaving++
		}
	}
	if leaving == 0 {
		t.Error("no worker is left for the download")
	}
	if m.Stopping() {
		t.Error("a reload is taken for a stop")
	}
}

// Each of these passes or would pass `nginx -t` but the last.
func TestReloadIsRejectedWithNginxsReason(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	zone := "limit_req_zone $%s zone=z:1m rate=1r/s;"
	for _, c := range []struct {
		name     string
		old, new nginxtest.Config
		tested   bool // -t finds it
		reason   string
	}{
		{
			name:   "port taken",
			new:    nginxtest.Config{Listen: []string{taken.Addr().String()}},
			reason: "bind() to " + taken.Addr().String() + " failed (98: Address already in use)",
		}, {
			name:   "zone with another key",
			old:    nginxtest.Config{HTTP: strings.ReplaceAll(zone, "%s", "uri")},
			new:    nginxtest.Config{HTTP: strings.ReplaceAll(zone, "%s", "host")},
			reason: `limit_req "z" uses the "$host" key while previously it used the "$uri" key`,
		}, {
			name:   "unknown directive",
			new:    nginxtest.Config{HTTP: "no_such_directive;"},
			tested: true,
			reason: `unknown directive "no_such_directive"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.old.Node, c.new.Node = "old", "new"
			s, m := startSite(t, c.old)
			s.Write(t, c.new)
			if err := m.nginx.Test(testContext(t)); (err != nil) != c.tested {
				t.Errorf("Test: %v", err)
			}
			err := m.Reload(testContext(t))
			if e, ok := errors.AsType[*RejectedError](err); !ok || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("Reload: %v\nwant the reason %q", err, c.reason)
			}
			if node, err := s.Node(testContext(t)); err != nil || node != "old" {
				t.Errorf("answered by %q, %v; want the old configuration", node, err)
			}
			// And it can still be mended.
			c.old.Node = "mended"
			s.Write(t, c.old)
			if err := m.Reload(testContext(t)); err != nil {
				t.Fatal(err)
			}
			if node, err := s.Node(testContext(t)); err != nil || node != "mended" {
				t.Errorf("answered by %q, %v; want the mended configuration", node, err)
			}
		})
	}
}

func TestWorkersKilledDuringAFailingReloadAreNoSuccess(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		bad  nginxtest.Config
	}{
		{"at once", nginxtest.Config{HTTP: "no_such_directive;"}},
		{"while the master is blind", nginxtest.Config{Listen: []string{taken.Addr().String()}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, m := startSite(t, nginxtest.Config{})
			s.Write(t, c.bad)
			old := workers(t, m)
			result := make(chan error, 1)
			go func() { result <- m.Reload(testContext(t)) }()
			if c.bad.Listen != nil {
				nginxtest.Eventually(t, "a busy master", func() bool {
					idle, err := m.idle()
					return err == nil && !idle
				})
			}
			if err := signalAll(old, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := <-result; err == nil {
				t.Error("a failed reload is taken for a success")
			} else if _, ok := errors.AsType[*RejectedError](err); !ok {
				t.Errorf("Reload: %v", err)
			}
		})
	}
}

func TestReloadOfAMasterThatDies(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	if err := m.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "a stopped master", func() bool {
		s, err := readStat(m.PID())
		return err == nil && s.state == 'T'
	})
	result := make(chan error, 1)
	go func() { result <- m.Reload(testContext(t)) }()
	nginxtest.Eventually(t, "the signal", func() bool {
		s, err := readSignals(m.PID())
		return err == nil && s.pending&hup != 0
	})
	if err := m.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*ExitError](<-result); !ok || e.Signal != unix.SIGKILL {
		t.Errorf("Reload: %v", m.Err())
	}
}

func TestReloadEndsWithItsContext(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	if err := m.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if err := m.Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Reload: %v", err)
	}
}

func TestWorkersThatCrashDuringAGoodReloadAreNoFailure(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Node: "old"})
	s.Write(t, nginxtest.Config{Node: "new"})
	old := workers(t, m)
	result := make(chan error, 1)
	go func() { result <- m.Reload(testContext(t)) }()
	var all []Process
	nginxtest.Eventually(t, "new workers", func() bool {
		all = workers(t, m)
		return slices.ContainsFunc(all, func(p Process) bool { return !slices.ContainsFunc(old, p.same) })
	})
	if err := signalAll(all, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("Reload: %v", err)
	}
	if node, err := s.Node(testContext(t)); err != nil || node != "new" {
		t.Errorf("answered by %q, %v; want the new configuration", node, err)
	}
}

func TestRejectionWithoutAReadableLogSaysWhereToLook(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Log: "/dev/null"})
	s.Write(t, nginxtest.Config{Log: "/dev/null", Main: "no_such_directive;"})
	err := m.Reload(testContext(t))
	if e, ok := errors.AsType[*RejectedError](err); !ok || e.Reason != "the reason is in /dev/null" {
		t.Errorf("Reload: %v", err)
	}
}
