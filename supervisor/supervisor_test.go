package supervisor_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor"
	"ngha/supervisor/config"
	"ngha/supervisor/status"
	"ngha/vrrp"
)

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

// /run is empty after every start of a machine or a container.
func TestFolderOfTheSocketsIsMade(t *testing.T) {
	r := prepare(t)
	r.config.Control.Socket = r.dir + "/run/ngha.sock"
	r.text = strings.ReplaceAll(r.text, "/status.sock", "/run/status.sock")
	r.configure("")
	r.start()
	r.awaitHealthy()
}

// What an image's entrypoint does is done once: at a crash there is no time for it.
func TestPreparationsAreMadeOnceBeforeTheStart(t *testing.T) {
	r := prepare(t)
	script, made := r.dir+"/entrypoint", r.dir+"/made"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$*\" >>"+made+"\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.before = []string{script}
	r.start()
	first := r.awaitHealthy().Nginx.PID
	kill(t, unix.SIGKILL, first)
	r.await("replaced", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != 0 && s.Nginx.PID != first })
	got, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	// The daemon directive is taken out of -g: the files may have one.
	want := strings.Join(r.config.Nginx.Command[:len(r.config.Nginx.Command)-1], " ") + "  -t\n"
	if string(got) != want {
		t.Errorf("prepared for %q, want %q", got, want)
	}
}

// The environment is what the entrypoint makes it, as where nothing stands between
// it and nginx. nginx shows its time zone.
func TestEnvironmentOfTheEntrypointIsTheOneOfEachNginx(t *testing.T) {
	r := prepare(t)
	r.before = []string{"sh", "-c", `export TZ=IST-5:30; nginx -v; exec "$@"`, "entrypoint"}
	r.text = strings.ReplaceAll(r.text, `"hello\n"`, `"$time_local\n"`)
	r.configure("")
	shows := func(what string) {
		t.Helper()
		if body, err := r.body(); err != nil || !strings.Contains(body, "+0530") {
			t.Errorf("%s: %q, %v", what, body, err)
		}
	}
	r.start()
	first := r.awaitHealthy().Nginx.PID
	shows("the first nginx")
	r.sigs <- unix.SIGHUP
	r.await("reloaded", func(s status.Status) bool { return s.Nginx.Generation == 2 })
	shows("after a reload")
	kill(t, unix.SIGKILL, r.processes()...)
	second := r.await("replaced", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != 0 && s.Nginx.PID != first }).Nginx.PID
	shows("after a crash")
	r.sigs <- unix.SIGUSR2
	r.await("upgraded", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != 0 && s.Nginx.PID != second })
	shows("after an upgrade")
	if left, err := filepath.Glob(r.dir + "/entrypoint*"); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestPreparationsThatFailAreAnError(t *testing.T) {
	for want, before := range map[string][]string{
		"no template":              {"sh", "-c", "echo no template >&2; exit 7"},
		"/no/entrypoint not found": {"/no/entrypoint"},
	} {
		t.Run(want, func(t *testing.T) {
			r := prepare(t)
			r.before = before
			r.start()
			if err := r.awaitEnd(); !errors.Is(err, supervisor.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v", err)
			}
		})
	}
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

func TestStatusTellsThatANodeIsEnding(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	client := r.slowClient()
	kill(t, unix.SIGQUIT, master)
	r.awaitEnding()
	client.Close()
	if err := r.awaitEnd(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestSecondSignalTakesTheGraceAway(t *testing.T) {
	r := prepare(t)
	r.config.Nginx.Shutdown = time.Hour
	r.start()
	r.awaitHealthy()
	r.slowClient()
	r.sigs <- unix.SIGTERM
	r.awaitEnding()
	r.sigs <- unix.SIGTERM
	if err := r.awaitEnd(); err != nil {
		t.Errorf("Run: %v", err)
	}
	r.noNginx()
}

func TestPriorityFollowsHealth(t *testing.T) {
	for name, row := range map[string]struct {
		release bool
		ill     uint8
	}{
		"last resort": {ill: vrrp.PriorityLastResort},
		"release":     {release: true, ill: vrrp.PriorityRelease},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			r.withRouter(row.release)
			r.config.Nginx.Repair = time.Minute // the orphans' last answer is good for so long
			lose, restore := r.withOwnNginx()
			r.start()
			master := r.awaitHealthy().Nginx.PID
			lose() // so that the repair takes a while
			kill(t, unix.SIGKILL, master)
			s := r.await("repairing", func(s status.Status) bool { return s.Nginx.Restarts >= 2 })
			if p := s.VirtualRouters[0].Priority; s.Health.State != "repairing" || p != 100 {
				t.Errorf("while %s: priority %d, want 100 while repairing", s.Health.State, p)
			}
			r.await("ill", func(s status.Status) bool {
				return s.Health.State == "ill" && s.VirtualRouters[0].Priority == row.ill
			})
			restore()
			if _, err := r.Reload(t.Context()); err != nil { // it need not wait for the next attempt
				t.Fatal(err)
			}
			r.await("healthy again", func(s status.Status) bool {
				return s.Health.Healthy && s.VirtualRouters[0].Priority == 100
			})
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

func TestNginxIsStartedWhoeverIsAskedMeanwhile(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := prepare(t)
	r.config.Health = config.Health{URL: "http://" + silent.Addr().String() + "/", Interval: time.Minute, Timeout: time.Minute, Rise: 2, Fall: 3}
	r.start()
	s := r.await("started", func(s status.Status) bool { return s.Nginx.PID != 0 })
	if s.Health.State != "starting" {
		t.Errorf("health when nginx was started: %+v, want it not known yet", s.Health)
	}
}

func TestEndIsHeardWhileTheConfigurationIsTested(t *testing.T) {
	for name, end := range map[string]func(*run, func()){
		"signal":  func(r *run, _ func()) { r.sigs <- unix.SIGTERM },
		"context": func(_ *run, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			begun := filepath.Join(r.dir, "begun")
			slow := filepath.Join(r.dir, "slow")
			if err := os.WriteFile(slow, []byte("#!/bin/sh\n>"+begun+"; exec sleep 1000\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			r.config.Nginx.Command = append([]string{slow}, r.config.Nginx.Command...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r.startIn(ctx)
			r.await("testing", func(status.Status) bool { _, err := os.Stat(begun); return err == nil })
			end(r, cancel)
			if err := r.awaitEnd(); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
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
