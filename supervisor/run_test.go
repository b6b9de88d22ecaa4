package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
	"ngha/supervisor"
	"ngha/supervisor/config"
	"ngha/supervisor/notify"
	"ngha/supervisor/standin"
	"ngha/supervisor/status"
	"ngha/vrrp"
	"ngha/vrrp/lan"
)

// An image's entrypoint is told that this program is nginx.
func TestMain(m *testing.M) {
	standin.Act()
	os.Exit(m.Run())
}

// run is a Supervisor that runs in this process, with a real nginx.
type run struct {
	*supervisor.Supervisor
	t       *testing.T
	dir     string
	listen  string // of nginx
	text    string // its configuration, but for what configure puts in
	config  config.Config
	before  []string // what prepares nginx's start
	manager *notify.Socket
	logger  slog.Handler // nil: the test's
	sigs    chan os.Signal
	done    chan error
}

// prepare writes a configuration for nginx and one for ngha, without a virtual
// router. Tests of this package do not run in parallel: an orphan is adopted by
// this very process.
func prepare(t *testing.T) *run {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1" {
			t.Fatal(err)
		}
		t.Skip("nginx is not installed")
	}
	r := &run{t: t, dir: t.TempDir(), sigs: make(chan os.Signal, 4), done: make(chan error, 1)}
	r.listen = nginxtest.FreeAddress(t)
	r.text = nginxText
	r.configure("")
	r.config = config.Config{
		Node: "test",
		Nginx: config.Nginx{
			Command:  []string{"nginx", "-p", r.dir, "-e", r.dir + "/error.log", "-c", r.dir + "/nginx.conf", "-g", "daemon off;"},
			Manual:   true, // but for tests of the watching
			Settle:   50 * time.Millisecond,
			State:    r.dir + "/lastgood",
			Repair:   time.Second,
			Restarts: 5,
			Shutdown: 9 * time.Second,
		},
		Health:  config.Health{Interval: 20 * time.Millisecond, Timeout: 5 * time.Second, Rise: 2, Fall: 3},
		Control: config.Control{Socket: r.dir + "/ngha.sock"},
	}
	return r
}

const nginxText = `
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
`

// configure writes nginx's configuration with more in its server block. It is
// never there in part, which would be one more change.
func (r *run) configure(server string) {
	r.t.Helper()
	text := fmt.Sprintf(r.text, r.dir, r.listen, server)
	conf := filepath.Join(r.dir, "nginx.conf")
	if err := os.WriteFile(conf+".new", []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(conf+".new", conf); err != nil {
		r.t.Fatal(err)
	}
}

// withOwnNginx makes nginx one that only this run has, and returns what takes it
// away and gives it back.
func (r *run) withOwnNginx() (lose, restore func()) {
	r.t.Helper()
	there, err := exec.LookPath("nginx")
	if err != nil {
		r.t.Fatal(err)
	}
	here := r.dir + "/nginx"
	r.config.Nginx.Command[0] = here
	restore = func() {
		r.t.Helper()
		if err := os.Symlink(there, here); err != nil {
			r.t.Fatal(err)
		}
	}
	restore()
	return func() {
		r.t.Helper()
		if err := os.Remove(here); err != nil {
			r.t.Fatal(err)
		}
	}, restore
}

func (r *run) start() { r.t.Helper(); r.startIn(context.Background()) }

func (r *run) startIn(ctx context.Context) {
	r.t.Helper()
	logger := r.logger
	if logger == nil {
		logger = slog.NewTextHandler(r.t.Output(), nil)
	}
	s, err := supervisor.New(r.config, &supervisor.Options{
		Logger:  slog.New(logger),
		Manager: r.manager,
		Prepare: r.before,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Supervisor = s
	go func() { r.done <- s.Run(ctx, r.sigs) }()
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
	if b, err := r.body(); err != nil || b != "hello\n" {
		return fmt.Errorf("answer %q, %v", b, err)
	}
	return nil
}

// body is what nginx answers.
func (r *run) body() (string, error) {
	client := http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.listen + "/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
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

// killAll kills all of nginx at the same moment, as the kernel does with a
// container: no worker takes a request that another one has just died of.
func (r *run) killAll() {
	r.t.Helper()
	pids := r.processes()
	kill(r.t, unix.SIGSTOP, pids...)
	kill(r.t, unix.SIGKILL, pids...)
}

// withRouter adds a virtual router whose interface does not exist, so that it
// disturbs nobody.
func (r *run) withRouter(release bool) {
	r.t.Helper()
	if err := lan.Capable(); err != nil {
		if os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1" {
			r.t.Fatal(err)
		}
		r.t.Skip(err)
	}
	r.config.VirtualRouters = []config.VirtualRouter{{
		Name:      "web",
		Interface: "ngha-nowhere",
		Release:   release,
		VRRP:      vrrp.Config{VRID: 71, Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32")}},
	}}
}

// slowClient is one for which an nginx that ends in an orderly way waits: half a
// request, which a worker has begun to read.
func (r *run) slowClient() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.listen)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
		r.t.Fatal(err)
	}
	r.await("read from", func(s status.Status) bool { return s.Nginx.Connections.Reading > 0 })
	return c
}

func (r *run) awaitEnding() {
	r.t.Helper()
	r.await("told to end", func(s status.Status) bool {
		return slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "ending") })
	})
}
