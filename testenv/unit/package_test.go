package unit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

func TestPackage(t *testing.T) {
	t.Parallel()
	h := boot(t)
	said := h.install("1.0")
	if state := h.property("ActiveState"); state != "inactive" || !strings.Contains(said, "systemctl disable --now nginx") {
		t.Errorf("after the installation ngha is %s, and it said: %s", state, said)
	}
	if out := h.run("nginx -t"); !strings.Contains(out, "successful") { // whatever runs
		t.Error(out)
	}

	if out := h.run("systemd-analyze verify ngha.service"); out != "" {
		t.Error(out)
	}

	// Beside the distribution's nginx.
	h.write("/etc/ngha/ngha.yaml", "nginx: {restarts: 0, state: /var/lib/ngha/nginx-lastgood}\n")
	if out, code := h.try("systemctl start ngha"); code == 0 {
		t.Errorf("it was started beside nginx.service: %s", out)
	}
	h.run("systemctl stop ngha")
	if log := h.journal(); !strings.Contains(log, "of nginx.service), which `systemctl disable --now nginx` ends") {
		t.Errorf("it does not say what to disable: %s", log)
	}
	h.run("systemctl disable --now nginx && systemctl enable --now ngha")
	h.await("ngha to serve", func() error { return h.serves() })

	// An upgrade under load, with a change of the file that is the user's own.
	before, master := h.property("MainPID"), h.NginxMaster()
	load := h.StartLoad("http://"+own+"/", testenv.Clients{New: 100, KeepAlive: 5, Think: 10 * time.Millisecond, Downloads: 3})
	load.Await(20)
	h.install("1.1")
	h.awaitRestart(before)
	load.Await(50)
	nothingLost(t, load.Stop())
	if now := h.NginxMaster(); len(now) != 1 || slices.Equal(now, master) {
		t.Errorf("nginx's master was %v and is %v, want another one", master, now)
	}
	if out := h.run("ngha version"); !strings.Contains(out, "1.1") {
		t.Errorf("version %s", out)
	}
	if out := h.run("cat /etc/ngha/ngha.yaml"); !strings.Contains(out, "restarts: 0") {
		t.Errorf("the settings are gone: %s", out)
	}
	// nginx's own package, when it is upgraded, does as if it had the process.
	h.run("dpkg-reconfigure nginx")
	if err := h.serves(); err != nil || h.property("ActiveState") != "active" || h.run("systemctl is-active nginx || true") == "active" {
		t.Errorf("after nginx was configured anew: %v", err)
	}

	// So do those who rotate its logs.
	h.run("mv /var/log/nginx/access.log /var/log/nginx/access.log.1 && invoke-rc.d nginx rotate")
	h.await("nginx to log anew", func() error {
		if err := h.serves(); err != nil {
			return err
		}
		if out := h.run("cat /var/log/nginx/access.log"); out == "" {
			return errors.New("nothing logged")
		}
		return nil
	})

	// Removed, with nginx that a killed ngha has left, and purged.
	h.run("mkdir -p /etc/systemd/system/ngha.service.d")
	h.write("/etc/systemd/system/ngha.service.d/late.conf", "[Service]\nRestartSec=1h\n")
	h.run("systemctl daemon-reload")
	h.kill("KILL")
	h.awaitProperty("SubState", "auto-restart")
	if err := h.serves(); err != nil {
		t.Errorf("nginx has not survived ngha: %v", err)
	}
	h.run("dpkg --remove ngha")
	if left := h.Nginx(); len(left) > 0 {
		t.Errorf("processes of nginx after the removal: %v", left)
	}
	if out := h.run("ls -d /etc/ngha/ngha.yaml /var/lib/ngha"); !strings.Contains(out, "ngha.yaml") {
		t.Errorf("the settings are gone: %s", out)
	}
	h.run("dpkg --purge ngha")
	if out, code := h.try("ls -d /etc/ngha /var/lib/ngha /run/ngha /etc/systemd/system/*.wants/ngha.service"); code == 0 || strings.Contains(out, "\n/") {
		t.Errorf("left behind: %s", out)
	}
	h.run("rm /etc/nginx/conf.d/status.conf && systemctl start nginx")
}

func (h *host) serves() error {
	if out, code := h.try("curl --silent --max-time 15 http://" + own + "/"); code != 0 || out != "hello" {
		return fmt.Errorf("answer %q, exit code %d of curl", out, code)
	}
	return nil
}

func nothingLost(t *testing.T, r testenv.LoadResult) {
	t.Helper()
	for name, part := range map[string]testenv.Result{"new connections": r.New, "kept connections": r.KeepAlive, "downloads": r.Downloads} {
		for _, s := range part.Samples {
			if s.Failure != "" {
				t.Errorf("%s: %s", name, s.Failure)
			}
		}
	}
	if len(r.New.Samples) == 0 {
		t.Error("nobody asked")
	}
	t.Logf("%d new connections, %d requests on kept ones, %d downloads", len(r.New.Samples), len(r.KeepAlive.Samples), len(r.Downloads.Samples))
}
