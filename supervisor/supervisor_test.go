package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor"
	"ngha/supervisor/config"
	"ngha/supervisor/status"
)

// run is a Supervisor that runs in this process, with a real nginx and without
// a virtual router.
type run struct {
	*supervisor.Supervisor
	t      *testing.T
	dir    string
	listen string // of nginx
	config config.Config
	sigs   chan os.Signal
	done   chan error
}

// prepare writes a configuration for nginx and one for ngha. Tests of this
// package do not run in parallel: an orphan is adopted by this very process.
func prepare(t *testing.T) *run {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1" {
			t.Fatal(err)
		}
		t.Skip("nginx is not installed")
	}
	r := &run{t: t, dir: t.TempDir(), sigs: make(chan os.Signal, 4), done: make(chan error, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.listen = l.Addr().String()
	l.Close()
	r.configure("")
	r.config = config.Config{
		Node: "test",
		Nginx: config.Nginx{
			Command:  []string{"nginx", "-p", r.dir, "-e", r.dir + "/error.log", "-c", r.dir + "/nginx.conf", "-g", "daemon off;"},
			Repair:   time.Second,
			Restarts: 5,
			Shutdown: 9 * time.Second,
		},
		Health:  config.Health{Interval: 20 * time.Millisecond, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 3},
		Control: config.Control{Socket: r.dir + "/ngha.sock"},
	}
	return r
}

// configure writes nginx's configuration with more in its server block.
func (r *run) configure(server string) {
	r.t.Helper()
	text := fmt.Sprintf(`
user root;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	server {
		listen %[2]s;
		location / { return 200 "hello\n"; }
		%[3]s
	}
	server {
		listen unix:%[1]s/status.sock;
		location = /stub_status { stub_status; }
	}
}
`, r.dir, r.listen, server)
	if err := os.WriteFile(filepath.Join(r.dir, "nginx.conf"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) start() {
	r.t.Helper()
	s, err := supervisor.New(r.config, &supervisor.Options{Logger: slog.New(slog.NewTextHandler(r.t.Output(), nil))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Supervisor = s
	go func() { r.done <- s.Run(context.Background(), r.sigs) }()
	r.t.Cleanup(func() {
		select {
		case r.sigs <- unix.SIGTERM:
		default:
		}
		r.awaitEnd()
		r.noNginx()
	})
}

// awaitEnd returns what Run returned.
func (r *run) awaitEnd() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(30 * time.Second):
		r.t.Fatal("Run has not returned")
		return nil
	}
}

// await waits until the status is as wanted.
func (r *run) await(what string, ok func(status.Status) bool) status.Status {
	r.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(40 * time.Second); ; <-ticker.C {
		s := r.Status()
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("never %s: %+v", what, s)
		}
	}
}

func (r *run) awaitHealthy() status.Status {
	r.t.Helper()
	return r.await("healthy", func(s status.Status) bool { return s.Health.Healthy })
}

func (r *run) get() error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.listen + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "hello\n" {
		return fmt.Errorf("answer %q, %v", b, err)
	}
	return nil
}

// processes lists nginx's processes of this run: their titles do not name it,
// but their working directory, or what they have open, does.
func (r *run) processes() (pids []int) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		title, err := os.ReadFile(e + "/cmdline")
		if err != nil || !strings.HasPrefix(string(title), "nginx: ") {
			continue
		}
		for _, fd := range []string{"2", "3", "4", "5", "6"} {
			if target, err := os.Readlink(e + "/fd/" + fd); err == nil && strings.HasPrefix(target, r.dir) {
				var pid int
				fmt.Sscan(filepath.Base(e), &pid)
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

func (r *run) noNginx() {
	r.t.Helper()
	if pids := r.processes(); len(pids) > 0 {
		r.t.Errorf("processes of nginx left: %v", pids)
	}
}

func kill(t *testing.T, sig unix.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatalf("kill %d: %v", pid, err)
		}
	}
}

func TestRunServesUntilItIsTerminated(t *testing.T) {
	r := prepare(t)
	r.start()
	s := r.awaitHealthy()
	if err := r.get(); err != nil {
		t.Error(err)
	}
	if s.Nginx.PID == 0 || s.Nginx.Generation != 1 || s.Nginx.Configuration != "current" {
		t.Errorf("status of nginx: %+v", s.Nginx)
	}
	r.sigs <- unix.SIGTERM
	if err := r.awaitEnd(); err != nil {
		t.Errorf("Run: %v", err)
	}
	r.noNginx()
}

func TestDeadMasterIsReplaced(t *testing.T) {
	for name, victims := range map[string]func(*run, int) []int{
		"master":             func(_ *run, master int) []int { return []int{master} },
		"master and workers": func(r *run, _ int) []int { return r.processes() },
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			r.start()
			first := r.awaitHealthy().Nginx.PID
			kill(t, unix.SIGKILL, victims(r, first)...)
			r.await("replaced", func(s status.Status) bool {
				return s.Health.Healthy && s.Nginx.PID != 0 && s.Nginx.PID != first && s.Nginx.Restarts == 1
			})
			if err := r.get(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFrozenNginxIsEndedAndStartedAnew(t *testing.T) {
	r := prepare(t)
	r.config.Health.Timeout = 100 * time.Millisecond
	r.start()
	first := r.awaitHealthy().Nginx.PID
	kill(t, unix.SIGSTOP, r.processes()...)
	r.await("ill", func(s status.Status) bool { return s.Health.State == "ill" })
	r.await("started anew", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != first })
	if err := r.get(); err != nil {
		t.Error(err)
	}
}

func TestStopFromOutsideEndsTheRun(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGQUIT, unix.SIGTERM} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			r := prepare(t)
			r.start()
			kill(t, sig, r.awaitHealthy().Nginx.PID)
			if err := r.awaitEnd(); err != nil {
				t.Errorf("Run: %v", err)
			}
			r.noNginx()
		})
	}
}

func TestRestartBudgetSpentGivesUp(t *testing.T) {
	r := prepare(t)
	r.config.Nginx.Restarts = 2
	r.start()
	for range 3 {
		restarts := r.awaitHealthy().Nginx.Restarts
		kill(t, unix.SIGKILL, r.processes()...)
		r.await("noticed", func(s status.Status) bool { return s.Nginx.Restarts > restarts })
	}
	if err := r.awaitEnd(); !errors.Is(err, supervisor.ErrGivenUp) {
		t.Errorf("Run: %v, want ErrGivenUp", err)
	}
	r.noNginx()
}

func TestReloadTellsTheTruth(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	steps := []struct {
		server     string
		applied    bool
		generation uint64
	}{
		{"location /new { return 204; }", true, 2},
		{"nonsense;", false, 2},
		{"", true, 3},
	}
	for _, step := range steps {
		r.configure(step.server)
		got, err := r.Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Applied != step.applied || got.Generation != step.generation {
			t.Errorf("reload with %q: %+v", step.server, got)
		}
		if !step.applied && !strings.Contains(got.Reason, "nonsense") {
			t.Errorf("reason %q does not quote nginx", got.Reason)
		}
		if stale := r.Status().Nginx.Configuration == "stale"; stale == step.applied {
			t.Errorf("after applied=%t the configuration is stale: %t", step.applied, stale)
		}
		if err := r.get(); err != nil {
			t.Error(err)
		}
	}
}

func TestManyReloadsShareRunsAndAllAreAnswered(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	const callers = 50
	answers := make(chan status.Reload, callers)
	for range callers {
		go func() {
			got, err := r.Reload(context.Background())
			if err != nil {
				t.Error(err)
			}
			answers <- got
		}()
	}
	for range callers {
		if got := <-answers; !got.Applied {
			t.Errorf("not applied: %+v", got)
		}
	}
	if n := r.Status().Nginx.Reloads; n >= callers {
		t.Errorf("%d runs for %d callers: they did not share", n, callers)
	}
}

func TestWhatIsWrongBeforeTheStartStartsNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	rows := map[string]struct {
		spoil   func(*run)
		invalid bool
		says    string
	}{
		"nginx missing":              {func(r *run) { r.config.Nginx.Command = []string{"/nowhere/nginx"} }, true, "/nowhere/nginx"},
		"nginx configuration broken": {func(r *run) { r.configure("nonsense;") }, true, "nonsense"},
		"metrics port taken":         {func(r *run) { r.config.Metrics.Listen = taken.Addr().String() }, false, taken.Addr().String()},
		"socket is a file": {func(r *run) {
			if err := os.WriteFile(r.config.Control.Socket, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false, "ngha.sock"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			row.spoil(r)
			r.start()
			err := r.awaitEnd()
			if err == nil || errors.Is(err, supervisor.ErrInvalid) != row.invalid || !strings.Contains(err.Error(), row.says) {
				t.Errorf("Run: %v, want one about %q (invalid: %t)", err, row.says, row.invalid)
			}
		})
	}
}
