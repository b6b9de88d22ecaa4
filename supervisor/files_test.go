package supervisor_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor"
	"ngha/supervisor/status"
)

// prepareAuto is prepare for an ngha that loads what changes.
func prepareAuto(t *testing.T) *run {
	t.Helper()
	r := prepare(t)
	r.config.Nginx.Manual = false
	return r
}

// serves reports whether nginx has a location.
func (r *run) serves(path string) bool {
	r.t.Helper()
	client := http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.listen + path)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusNoContent
}

const newLocation = "location = /new { return 204; }"

func current(generation uint64) func(status.Status) bool {
	return func(s status.Status) bool {
		return s.Nginx.Configuration == "current" && s.Nginx.Generation == generation && s.Health.Healthy
	}
}

// awaitKept waits until the copy of the last good configuration holds text.
func (r *run) awaitKept(text string) {
	r.t.Helper()
	r.await("copied", func(status.Status) bool {
		_, err := os.Stat(r.config.Nginx.State + "/lastgood.json")
		copies, _ := filepath.Glob(r.config.Nginx.State + "/lastgood-*" + r.dir + "/nginx.conf")
		if err != nil || len(copies) != 1 {
			return false
		}
		b, err := os.ReadFile(copies[0])
		return err == nil && strings.Contains(string(b), text)
	})
}

func TestChangeOnDiskIsLoaded(t *testing.T) {
	r := prepareAuto(t)
	r.start()
	r.await("current", current(1))
	r.configure(newLocation)
	r.await("loaded", current(2))
	if !r.serves("/new") {
		t.Error("what was written is not served")
	}
}

func TestBrokenChangeIsNotLoadedUntilItIsMended(t *testing.T) {
	r := prepareAuto(t)
	r.start()
	r.await("current", current(1))
	r.configure("nonsense;")
	s := r.await("stale", func(s status.Status) bool {
		return s.Nginx.Configuration == "stale" && strings.Contains(s.Nginx.Reason, "nonsense")
	})
	if s.Nginx.Generation != 1 || s.Nginx.Copy {
		t.Errorf("nginx: %+v, want generation 1 to go on, and nginx's words", s.Nginx)
	}
	if err := r.get(); err != nil {
		t.Error(err)
	}
	r.configure(newLocation)
	r.await("loaded", current(2))
	r.configure("nonsense;")
	r.await("stale", func(s status.Status) bool { return s.Nginx.Configuration == "stale" })
	r.configure(newLocation) // back to what nginx has: nothing to load
	r.await("current again", current(2))
}

func TestManualReloadIsWaitedFor(t *testing.T) {
	r := prepare(t)
	r.start()
	r.await("current", current(1))
	r.configure(newLocation)
	s := r.await("changed", func(s status.Status) bool { return s.Nginx.Configuration == "changed" })
	if warnings := strings.Join(s.Warnings, "\n"); !strings.Contains(warnings, r.dir+"/nginx.conf") {
		t.Errorf("warnings %q do not name the file", warnings)
	}
	if s.Nginx.Generation != 1 || r.serves("/new") {
		t.Errorf("it was loaded: %+v", s.Nginx)
	}
	r.configure("")
	s = r.await("current", current(1))
	if len(s.Warnings) > 0 {
		t.Errorf("warnings %q although nothing has changed", s.Warnings)
	}
	r.configure(newLocation)
	if got, err := r.Reload(t.Context()); err != nil || !got.Applied || !r.serves("/new") {
		t.Errorf("reload: %+v, %v", got, err)
	}
	r.await("current", current(2))
}

// What was tried in vain stays so when the watching finds it as well: it is no
// change that waits for somebody to load it.
func TestRefusedReloadStaysStale(t *testing.T) {
	r := prepare(t)
	r.start()
	r.await("current", current(1))
	for range 2 { // what is broken again is tried again
		r.configure("nonsense;")
		if got, err := r.Reload(t.Context()); err != nil || got.Applied {
			t.Errorf("reload of nonsense: %+v, %v", got, err)
		}
		asked := r.Status().Health.Probes.Answered
		s := r.await("asked on", func(s status.Status) bool { return s.Health.Probes.Answered > asked+10 })
		if s.Nginx.Configuration != "stale" || !strings.Contains(s.Nginx.Reason, "nonsense") {
			t.Errorf("nginx: %+v, want it to be stale, with nginx's words", s.Nginx)
		}
		r.configure(newLocation)
		r.await("changed", func(s status.Status) bool { return s.Nginx.Configuration == "changed" })
	}
}

// A job that puts the files back as soon as they are refused leaves nothing stale.
func TestRefusedFilesThatAreBackAreCurrent(t *testing.T) {
	r := prepare(t)
	r.start()
	r.await("current", current(1))
	for range 2 {
		r.configure("nonsense;")
		if got, err := r.Reload(t.Context()); err != nil || got.Applied {
			t.Errorf("reload of nonsense: %+v, %v", got, err)
		}
		r.configure("")
		r.await("current", current(1))
	}
}

// A change that follows is the proof that the touch was looked at: it would have
// been one generation more.
func TestTouchIsNoChange(t *testing.T) {
	r := prepareAuto(t)
	r.start()
	r.await("current", current(1))
	conf := r.dir + "/nginx.conf"
	for i := range 3 {
		at := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(conf, at, at); err != nil {
			t.Fatal(err)
		}
		r.configure("")
		asked := r.Status().Health.Probes.Answered
		r.await("asked on", func(s status.Status) bool { return s.Health.Probes.Answered > asked+10 })
	}
	r.configure(newLocation)
	r.await("loaded", current(2))
}

// nginx dies while somebody is half through an edit: the copy of the last good
// configuration serves until he is done.
func TestLastGoodConfigurationServesWhileTheFilesAreBroken(t *testing.T) {
	for name, manual := range map[string]bool{"auto": false, "manual": true} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t)
			r.config.Nginx.Manual = manual
			r.configure(newLocation)
			r.start()
			first := r.await("current", current(1)).Nginx.PID
			r.awaitKept("/new")
			r.configure("nonsense;")
			r.await("noticed", func(s status.Status) bool { return s.Nginx.Configuration != "current" })
			stop := r.stream()
			r.killAll()
			s := r.await("replaced", func(s status.Status) bool {
				return s.Health.Healthy && s.Nginx.PID != first && s.Nginx.PID != 0
			})
			if n := s.Nginx; !n.Copy || n.Configuration != "stale" || !strings.Contains(n.Reason, "nonsense") {
				t.Errorf("nginx: %+v, want it to run from the copy, and nginx's words", n)
			}
			if warnings := strings.Join(s.Warnings, "\n"); !strings.Contains(warnings, "copy of its last good") {
				t.Errorf("warnings %q do not tell of the copy", warnings)
			}
			if !r.serves("/new") {
				t.Error("the copy is not what served last")
			}
			if got, err := r.Reload(t.Context()); err != nil || got.Applied || !strings.Contains(got.Reason, "nonsense") {
				t.Errorf("reload while the files are broken: %+v, %v", got, err)
			}
			r.configure("# mended")
			if manual {
				if got, err := r.Reload(t.Context()); err != nil || !got.Applied {
					t.Errorf("reload of mended files: %+v, %v", got, err)
				}
			}
			s = r.await("back to the files", current(3))
			if s.Nginx.Copy || len(s.Warnings) > 0 {
				t.Errorf("nginx: %+v, warnings %q: want the files", s.Nginx, s.Warnings)
			}
			// The copy's workers finish what they have, and may take one more.
			r.await("served from the files", func(status.Status) bool { return !r.serves("/new") })
			r.awaitKept("# mended")
			// One request at a time: only one can have been with a worker.
			if requests, failed := stop(); failed > 1 || requests == 0 {
				t.Errorf("%d of %d requests failed, want only the one in flight", failed, requests)
			}
		})
	}
}

// A copy that is gone cannot take the place of files that are broken.
func TestMendedFilesStartNginxWhereThereIsNoCopy(t *testing.T) {
	r := prepareAuto(t)
	r.config.Nginx.Restarts = 1
	r.config.Nginx.Repair = time.Minute // the orphans' last answer is good for so long
	r.start()
	master := r.await("current", current(1)).Nginx.PID
	r.awaitKept("worker_processes")
	if err := os.RemoveAll(r.config.Nginx.State); err != nil {
		t.Fatal(err)
	}
	r.configure("nonsense;")
	r.await("stale", func(s status.Status) bool { return s.Nginx.Configuration == "stale" })
	kill(t, unix.SIGKILL, master)
	r.await("given up", func(s status.Status) bool { return s.Nginx.Restarts == 2 })
	if err := r.get(); err != nil {
		t.Error(err)
	}
	r.configure("")
	r.await("started", current(2))
}

func TestLastGoodConfigurationOutlivesNgha(t *testing.T) {
	r := prepareAuto(t)
	r.configure(newLocation)
	r.start()
	r.await("current", current(1))
	r.awaitKept("/new")
	r.sigs <- unix.SIGTERM
	if err := r.awaitEnd(); err != nil {
		t.Fatal(err)
	}
	next := *r
	next.sigs, next.done = make(chan os.Signal, 4), make(chan error, 1)
	next.configure("nonsense;")
	next.start()
	s := next.await("healthy", func(s status.Status) bool { return s.Health.Healthy })
	if !s.Nginx.Copy || !strings.Contains(s.Nginx.Reason, "nonsense") || !next.serves("/new") {
		t.Errorf("nginx: %+v, want it to run from the copy", s.Nginx)
	}
	next.configure("")
	next.await("back to the files", current(2))
}

// A copy is no stand-in for a configuration that it was not made of.
func TestCopyOfOtherFilesIsNotUsed(t *testing.T) {
	r := prepareAuto(t)
	r.start()
	r.await("current", current(1))
	r.awaitKept("worker_processes")
	r.sigs <- unix.SIGTERM
	if err := r.awaitEnd(); err != nil {
		t.Fatal(err)
	}
	other := r.dir + "/other.conf"
	if err := os.WriteFile(other, []byte("nonsense;"), 0o644); err != nil {
		t.Fatal(err)
	}
	next := *r
	next.sigs, next.done = make(chan os.Signal, 4), make(chan error, 1)
	next.config.Nginx.Command = []string{"nginx", "-p", r.dir, "-e", r.dir + "/error.log", "-c", other}
	next.start()
	if err := next.awaitEnd(); !errors.Is(err, supervisor.ErrInvalid) {
		t.Errorf("Run: %v, want ErrInvalid", err)
	}
}
