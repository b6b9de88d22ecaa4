package supervisor_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/supervisor/status"
)

// withCopiedNginx makes nginx a program that only this run has, and returns what
// puts another in its place, as a package manager does.
func (r *run) withCopiedNginx() (replace func(program []byte)) {
	r.t.Helper()
	there, err := exec.LookPath("nginx")
	if err != nil {
		r.t.Fatal(err)
	}
	program, err := os.ReadFile(there)
	if err != nil {
		r.t.Fatal(err)
	}
	here := filepath.Join(r.dir, "nginx")
	r.config.Nginx.Command[0] = here
	replace = func(with []byte) {
		r.t.Helper()
		if with == nil {
			with = program
		}
		if err := os.WriteFile(here+".new", with, 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Rename(here+".new", here); err != nil {
			r.t.Fatal(err)
		}
	}
	replace(nil)
	return replace
}

func (r *run) pidFile() int {
	r.t.Helper()
	text, err := os.ReadFile(r.dir + "/nginx.pid")
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

func TestUpgradeChangesToTheNginxOnDisk(t *testing.T) {
	r := prepare(t)
	replace := r.withCopiedNginx()
	r.start()
	first := r.awaitHealthy().Nginx
	if first.Version == "" {
		t.Error("nginx's version is not told")
	}
	stop := r.stream()
	replace(nil)
	r.await("told of the other nginx", func(s status.Status) bool { return warned(s, "ngha upgrade") })
	got, err := r.Upgrade(t.Context())
	if err != nil || !got.Applied || got.Generation != 2 {
		t.Fatalf("upgrade: %+v, %v", got, err)
	}
	s := r.Status()
	if s.Nginx.PID == first.PID || r.pidFile() != s.Nginx.PID {
		t.Errorf("master %d, after %d; pid file %d", s.Nginx.PID, first.PID, r.pidFile())
	}
	r.sigs <- unix.SIGUSR2
	r.await("upgraded by signal", current(3))
	r.await("no longer told", func(s status.Status) bool { return !warned(s, "ngha upgrade") })
	if requests, failed := stop(); failed != 0 || requests == 0 {
		t.Errorf("%d of %d requests failed", failed, requests)
	}
	if s := r.Status(); s.Nginx.Restarts != 0 || s.Nginx.WorkerCrashes != 0 {
		t.Errorf("an upgrade is taken for a crash: %+v", s.Nginx)
	}
	// The status socket, the next crash and `nginx -s` work as before.
	kill(t, unix.SIGKILL, r.pidFile())
	r.await("repaired", current(4))
	kill(t, unix.SIGHUP, r.pidFile())
	r.await("reloaded from outside", current(5))
}

// Whatever is wrong with the other nginx, the one that serves goes on.
func TestUpgradeThatDoesNotServeIsRolledBack(t *testing.T) {
	real, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip(err)
	}
	// Each of these is the real nginx when it is only asked.
	only := func(when string) string {
		return "#!/bin/sh\nfor a; do case $a in -[tTV]) exec " + real + " \"$@\";; esac; done\n" + when + "\n"
	}
	for _, c := range []struct {
		name, program string
		reason        string
	}{
		{"is none", "rubbish", "exec format error"},
		{"refuses the configuration", "#!/bin/sh\necho 'nginx: [emerg] module is not binary compatible' >&2; exit 1\n", "not binary compatible"},
		{"ends at once", only("echo 'nginx: [emerg] no luck today' >&2; exit 1"), "exited with code 1"},
		{"loses its workers", only("exec " + real + " \"$@\" -g 'daemon off; working_directory /nowhere;'"), "cannot be respawned"},
		{"does not answer", only("exec " + real + " -p DIR -e DIR/error.log -c DIR/mute.conf -g 'daemon off;'"), "do not answer"},
		{"hangs up", only("exec " + real + " -p DIR -e DIR/error.log -c DIR/rude.conf -g 'daemon off;'"), "do not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := prepare(t)
			replace := r.withCopiedNginx()
			r.start()
			before := r.awaitHealthy().Nginx
			text, err := os.ReadFile(r.dir + "/nginx.conf")
			if err != nil {
				t.Fatal(err)
			}
			for name, status := range map[string]string{"mute.conf": "return 503;", "rude.conf": "return 444;"} {
				other := strings.ReplaceAll(string(text), "stub_status;", status)
				if err := os.WriteFile(filepath.Join(r.dir, name), []byte(other), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			stop := r.stream()
			replace([]byte(strings.ReplaceAll(c.program, "DIR", r.dir)))
			got, err := r.Upgrade(t.Context())
			if err != nil || got.Applied || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("upgrade: %+v, %v; want it undone since %q", got, err, c.reason)
			}
			s := r.Status()
			if s.Nginx.PID != before.PID || s.Nginx.Generation != 1 || s.Nginx.Restarts != 0 {
				t.Errorf("nginx: %+v; want the one before, %+v", s.Nginx, before)
			}
			if !warned(s, c.reason) {
				t.Errorf("warnings: %q", s.Warnings)
			}
			if r.pidFile() != before.PID {
				t.Errorf("pid file: %d, want %d", r.pidFile(), before.PID)
			}
			r.await("without the other", func(s status.Status) bool {
				return len(r.processes()) == 3 && s.Health.Healthy && len(s.Nginx.Lingering) == 0
			})
			replace(nil)
			if got, err := r.Upgrade(t.Context()); err != nil || !got.Applied || got.Generation != 2 {
				t.Errorf("upgrade to a good one: %+v, %v", got, err)
			}
			if warned(r.Status(), "upgrade") {
				t.Errorf("warnings: %q", r.Status().Warnings)
			}
			if requests, failed := stop(); failed != 0 || requests == 0 {
				t.Errorf("%d of %d requests failed", failed, requests)
			}
		})
	}
}

// Where nginx cannot inherit, an upgrade is not worth a connection.
func TestUpgradeThatWouldRefuseConnectionsIsNotDone(t *testing.T) {
	r := prepare(t)
	wrapper := filepath.Join(r.dir, "wrapper")
	if err := os.WriteFile(wrapper, []byte("#!/bin/sh\nexec env -u NGINX \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.config.Nginx.Command = append([]string{wrapper}, r.config.Nginx.Command...)
	r.start()
	before := r.awaitHealthy().Nginx.PID
	got, err := r.Upgrade(t.Context())
	if err != nil || got.Applied || !strings.Contains(got.Reason, "restart ngha") {
		t.Errorf("upgrade: %+v, %v", got, err)
	}
	if s := r.Status(); s.Nginx.PID != before || !s.Health.Healthy {
		t.Errorf("nginx: %+v, health: %+v", s.Nginx, s.Health)
	}
}

// A slow request made before an upgrade is served to its end.
func TestUpgradeLetsRequestsEnd(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	client := r.slowClient()
	if got, err := r.Upgrade(t.Context()); err != nil || !got.Applied {
		t.Fatalf("upgrade: %+v, %v", got, err)
	}
	r.await("lingering", func(s status.Status) bool {
		return len(s.Nginx.Lingering) == 1 && s.Nginx.Lingering[0].Generation == 1
	})
	if _, err := io.WriteString(client, "Host: a\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(client); err != nil || !strings.HasSuffix(string(b), "hello\n") {
		t.Errorf("answer %q, %v", b, err)
	}
	r.await("alone", func(s status.Status) bool { return len(s.Nginx.Lingering) == 0 })
}
