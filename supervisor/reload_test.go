package supervisor_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor/status"
)

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

func TestHangUpReloads(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	r.sigs <- unix.SIGHUP
	r.await("reloaded", func(s status.Status) bool { return s.Nginx.Generation == 2 })
}

// A master that died leaves its workers, which go on, even when the budget is
// spent; what keeps a new one from being started is told to whoever asks for a
// reload.
func TestReloadAfterAFailedRestartTellsTheTruth(t *testing.T) {
	r := prepare(t)
	r.config.Nginx.Restarts = 1
	r.config.Nginx.Repair = time.Minute // the orphans' last answer is good for so long
	lose, restore := r.withOwnNginx()
	r.start()
	master := r.awaitHealthy().Nginx.PID
	lose()
	kill(t, unix.SIGKILL, master)
	r.await("given up", func(s status.Status) bool {
		return s.Health.State == "ill" && strings.Contains(s.Nginx.Reason, "no such file")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := r.Reload(ctx)
	if err != nil || got.Applied || !strings.Contains(got.Reason, "no such file") {
		t.Errorf("reload: %+v, %v; want what is in the way", got, err)
	}
	if err := r.get(); err != nil {
		t.Error(err)
	}
	restore()
	if got, err := r.Reload(ctx); err != nil || !got.Applied || got.Generation != 2 {
		t.Errorf("reload: %+v, %v; want generation 2", got, err)
	}
	r.awaitHealthy()
}

// Without the status endpoint nginx would be taken for frozen and be killed.
func TestReloadWithoutTheStatusEndpoint(t *testing.T) {
	for name, needed := range map[string]bool{
		"is refused where a virtual router hangs on it": true,
		"ends the asking where none does":               false,
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			if needed {
				r.withRouter(false)
			}
			r.start()
			r.awaitHealthy()
			r.text = strings.ReplaceAll(r.text, "stub_status;", "return 204;")
			r.configure("location = /new { return 204; }")
			got, err := r.Reload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wantApplied := !needed
			if got.Applied != wantApplied {
				t.Errorf("reload: %+v, want applied: %t", got, wantApplied)
			}
			if resp, err := http.Get("http://" + r.listen + "/new"); err != nil {
				t.Error(err)
			} else if resp.Body.Close(); (resp.StatusCode == http.StatusNoContent) != wantApplied {
				t.Errorf("GET /new: %s, want it served: %t", resp.Status, wantApplied)
			}
			asked := r.Status().Health.Probes.Answered
			r.await("asked on", func(s status.Status) bool { return s.Health.Probes.Answered > asked+10 || s.Health.State == "ill" })
			if s := r.Status().Health; !s.Healthy {
				t.Errorf("health: %+v, want healthy", s)
			}
		})
	}
}
