package unit_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const router = `virtual_routers:
  - {name: web, vrid: 71, addresses: [` + vip + `], interval: 300ms}
`

// everything is what wants capabilities and system calls, but for realtime: an
// engine's control group allows none.
const everything = `virtual_routers:
  - {name: web, vrid: 71, addresses: [` + vip + `, "2001:db8::100"], interval: 300ms, virtual_mac: true}
checks:
  - {name: link, link: eth0}
  - {name: program, exec: [/bin/true]}
hooks:
  - {on: [active], exec: [/bin/touch, /run/active]}
`

func (h *host) load() *testenv.Load {
	h.Helper()
	return h.StartLoad("http://"+own+"/", testenv.Clients{New: 100, KeepAlive: 5, Think: 10 * time.Millisecond, Downloads: 3})
}

func (h *host) holds() error {
	if holds, err := h.Holds(vip); err != nil || !holds {
		return fmt.Errorf("the host has %s: %t, %v", vip, holds, err)
	}
	return nil
}

func (h *host) status() string {
	h.Helper()
	return h.property("StatusText")
}

// What the manager knows, and what a reload and a stop do.
func TestService(t *testing.T) {
	t.Parallel()
	h := boot(t)
	// ngha itself tells how long an end may take.
	h.write("/etc/systemd/system/ngha.service.d/stop.conf", "[Service]\nTimeoutStopSec=3s\n")
	h.serve(everything)
	if err := h.serves(); err != nil { // since it is up
		t.Error(err)
	}
	h.await("the address", h.holds)
	h.await("the status to tell of it", func() error {
		if got := h.status(); got != "healthy: nginx answers; web is active" {
			return errors.New(got)
		}
		return nil
	})
	h.await("the hook", func() error {
		if out, code := h.try("test -e /run/active"); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	if out := h.run("systemctl show --value --property Result --property NRestarts ngha"); out != "success\n0" && out != "0\nsuccess" {
		t.Errorf("result and restarts %q", out)
	}

	h.run("systemctl reload ngha")
	if s, err := h.Status(); err != nil || s.Nginx.Generation != 2 {
		t.Errorf("after a reload generation %d, %v", s.Nginx.Generation, err)
	}
	h.write("/etc/nginx/conf.d/site.conf", "nonsense;\n"+site)
	if out, code := h.try("systemctl reload ngha"); code == 0 {
		t.Errorf("a reload of nonsense: %s", out)
	}
	h.awaitProperty("ActiveState", "active")
	h.await("the status to tell of it", func() error {
		if got := h.status(); !strings.Contains(got, "nonsense") {
			return errors.New(got)
		}
		return nil
	})
	h.write("/etc/nginx/conf.d/site.conf", site)

	// A worker that is killed for the memory it uses is replaced, and that is all.
	master := h.NginxMaster()
	worker := slices.DeleteFunc(h.Nginx(), func(pid int) bool { return slices.Contains(master, pid) })[0]
	if err := (testenv.PIDs{worker}).Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.await("another worker", func() error {
		if all := h.Nginx(); slices.Contains(all, worker) || len(all) != 3 {
			return fmt.Errorf("processes %v", all)
		}
		return nil
	})
	if now := h.NginxMaster(); !slices.Equal(now, master) || h.property("ActiveState") != "active" {
		t.Errorf("a worker was killed: master %v, before %v; the service is %s", now, master, h.property("ActiveState"))
	}

	// A stop lets the address go and finishes what nginx serves.
	done := make(chan error, 1)
	begun := make(chan struct{})
	go func() { done <- h.download(begun) }()
	<-begun
	h.run("systemctl stop ngha")
	if err := <-done; err != nil {
		t.Errorf("the download that the stop came in the middle of: %v", err)
	}
	if holds, err := h.Holds(vip); err != nil || holds {
		t.Errorf("after the stop the host has the address: %t, %v", holds, err)
	}
	if left := h.Nginx(); len(left) > 0 || h.property("Result") != "success" {
		t.Errorf("after the stop there are %v; result %s", left, h.property("Result"))
	}
	// Nothing that it wants is kept from it.
	for _, line := range strings.Split(h.run(`journalctl --sync; journalctl --no-pager --output cat --unit ngha | grep -E '"level":"(WARN|ERROR)"'`), "\n") {
		if !strings.Contains(line, "configuration not applied") && !strings.Contains(line, "nginx's workers crashed") {
			t.Errorf("it complains: %s", line)
		}
	}
}

// A stop that ngha does not heed is one of nginx as well.
func TestStopOfAHangingServiceLeavesNothing(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.write("/etc/systemd/system/ngha.service.d/stop.conf", "[Service]\nTimeoutStopSec=5s\n")
	h.serve(router)
	h.await("the address", h.holds)
	// systemd has a process go on that it wants to end.
	h.run("pid=" + h.property("MainPID") + "; kill -s STOP $pid; (while kill -s STOP $pid; do :; done) >/dev/null 2>&1 &\nsystemctl stop ngha")
	if left := h.Nginx(); len(left) > 0 || h.property("Result") != "timeout" {
		t.Errorf("after the stop there are %v; result %s", left, h.property("Result"))
	}
	h.await("the address to be gone", func() error {
		if h.holds() == nil {
			return errors.New("it is there")
		}
		return nil
	})
	h.run("systemctl start ngha")
	if err := h.serves(); err != nil {
		t.Error(err)
	}
}

// download fetches what takes five seconds through the host's own address.
func (h *host) download(begun chan<- struct{}) error {
	client := h.HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + own + "/slow")
	close(begun)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != 163840 {
		err = fmt.Errorf("%d bytes", n)
	}
	return err
}

// ngha ends in ways of its own, and no connection is lost to nginx.
func TestServiceIsRestarted(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.write("/etc/systemd/system/ngha.service.d/watchdog.conf", "[Service]\nWatchdogSec=6s\n")
	h.serve(router)
	h.await("the address", h.holds)
	for _, way := range []struct {
		name, result string // of the run that ended
		end          func()
	}{
		{"restart", "", func() { h.run("systemctl restart ngha") }},
		{"killed", "signal", func() { h.kill("KILL") }},
		// A crash is no invalid configuration, whose exit code Go's runtime has.
		{"crash", "exit-code", func() { h.kill("ABRT") }},
		{"hangs", "watchdog", func() { h.kill("STOP") }},
	} {
		pid, master, restarts := h.property("MainPID"), h.NginxMaster(), h.property("NRestarts")
		load := h.load()
		load.Await(20)
		way.end()
		h.awaitRestart(pid)
		load.Await(50)
		t.Log(way.name)
		nothingLost(t, load.Stop())
		if now := h.NginxMaster(); len(now) != 1 || slices.Equal(now, master) {
			t.Errorf("%s: nginx's master was %v and is %v, want another one", way.name, master, now)
		}
		if again := h.property("NRestarts") != restarts; again != (way.result != "") {
			t.Errorf("%s: restarted by systemd itself: %t", way.name, again)
		}
		if log := h.journal(); way.result != "" && !strings.Contains(log, "Failed with result '"+way.result+"'") {
			t.Errorf("%s: it has not failed with the result %s", way.name, way.result)
		}
		h.await("the address", h.holds)
	}
}

func TestBrokenConfigurationIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.install("1.0")
	h.run("systemctl disable --now nginx")
	for name, broken := range map[string][2]string{
		"ngha's":  {"/etc/ngha/ngha.yaml", "nonsense: yes\n"},
		"nginx's": {"/etc/nginx/conf.d/broken.conf", "nonsense;\n"},
	} {
		before := h.run("cat " + broken[0] + " 2>/dev/null || true")
		h.write(broken[0], broken[1])
		if out, code := h.try("systemctl start ngha"); code == 0 {
			t.Errorf("%s: it was started: %s", name, out)
		}
		// Once more would follow after a second.
		if state := h.property("SubState"); state != "failed" || h.property("NRestarts") != "0" || h.property("ExecMainStatus") != "2" {
			t.Errorf("%s: the service is %s, exit code %s", name, state, h.property("ExecMainStatus"))
		}
		h.write(broken[0], before+"\n")
	}
	h.run("systemctl start ngha")
	if err := h.serves(); err != nil {
		t.Error(err)
	}
	// A restart with settings that do not hold leaves what serves.
	h.write("/etc/ngha/ngha.yaml", "nonsense: yes\n")
	if out, code := h.try("systemctl restart ngha"); code == 0 {
		t.Errorf("it was restarted with nonsense: %s", out)
	}
	if err := h.serves(); err != nil {
		t.Error(err)
	}
	h.write("/etc/ngha/ngha.yaml", "")
	h.run("systemctl start ngha")
	h.await("all of nginx to be of one master", func() error {
		if all := h.Nginx(); len(all) != 3 {
			return fmt.Errorf("there are %v", all)
		}
		return nil
	})

	// The journal is a socket, which nginx cannot open.
	h.write("/etc/nginx/conf.d/journal.conf", "access_log /dev/stdout;\n")
	if out, code := h.try("ngha reload"); code == 0 || !strings.Contains(out, "journal.conf:1: nginx cannot open /dev/stdout") {
		t.Errorf("a log that is a socket: exit code %d, %s", code, out)
	}
	h.write("/etc/nginx/conf.d/journal.conf", "access_log syslog:server=unix:/dev/log;\n")
	h.run("ngha reload")
	if err := h.serves(); err != nil {
		t.Error(err)
	}
	h.await("the journal to have the request", func() error {
		if out := h.run("journalctl --no-pager --output cat | grep 'GET / ' || true"); out == "" {
			return errors.New("it has none")
		}
		return nil
	})
}
