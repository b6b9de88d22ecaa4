package supervisor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
	"ngha/supervisor/status"
)

func warned(s status.Status, words string) bool {
	return slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, words) })
}

// workers are the processes of nginx but for its master.
func (r *run) workers(master int) []int {
	return slices.DeleteFunc(r.processes(), func(pid int) bool { return pid == master })
}

// titledWorkers counts those that are at work: until then they are called as
// their master is.
func (r *run) titledWorkers() (n int) {
	for _, pid := range r.processes() {
		title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasPrefix(string(title), "nginx: worker process") {
			n++
		}
	}
	return n
}

func TestReloadFromOutsideIsAGeneration(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	r.awaitKept("hello")
	r.configure(newLocation)
	r.await("changed", func(s status.Status) bool { return s.Nginx.Configuration == "changed" })
	kill(t, unix.SIGHUP, master)
	r.await("generation 2", current(2))
	// A worker of the old one may take one more.
	r.await("served anew", func(status.Status) bool { return r.serves("/new") })
	r.awaitKept(newLocation)
	if got, err := r.Reload(t.Context()); err != nil || !got.Applied || got.Generation != 3 {
		t.Errorf("reload after it: %+v, %v", got, err)
	}
	if s := r.Status().Nginx; s.WorkerCrashes != 0 || s.Restarts != 0 {
		t.Errorf("reloads are taken for crashes: %+v", s)
	}
}

// Who asks nginx itself to reload while it runs from the copy means the files.
func TestReloadFromOutsideLeavesTheCopy(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	r.awaitKept("hello")
	r.configure("nonsense;")
	kill(t, unix.SIGKILL, master)
	s := r.await("served from the copy", func(s status.Status) bool { return s.Nginx.Copy && s.Health.Healthy })
	r.configure(newLocation)
	kill(t, unix.SIGHUP, s.Nginx.PID)
	r.await("served from the files", func(s status.Status) bool { return !s.Nginx.Copy && s.Nginx.Configuration == "current" })
	if !r.serves("/new") {
		t.Error("the files are not served")
	}
}

func TestWorkersThatCrashInALoopAreNamed(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	for crashes := uint64(1); crashes <= 5; crashes++ {
		if warned(r.Status(), "crash again and again") {
			t.Fatalf("%d crashes are called a loop", crashes-1)
		}
		kill(t, unix.SIGSEGV, r.workers(master)[0])
		r.await("counted and replaced", func(s status.Status) bool {
			return s.Nginx.WorkerCrashes == crashes && s.Nginx.Workers == 2
		})
	}
	s := r.await("warned of", func(s status.Status) bool { return warned(s, "crash again and again") })
	if !warned(s, "exited on signal 11") {
		t.Errorf("warnings: %q, want nginx's own words", s.Warnings)
	}
	if s.Nginx.PID != master || !s.Health.Healthy {
		t.Errorf("nginx: %+v, health: %+v; want the same one, which answers", s.Nginx, s.Health)
	}
}

// nginx does not replace a worker that gives up, here because it cannot enter
// its working directory.
func TestMissingWorkersAreReplaced(t *testing.T) {
	r := prepare(t)
	dir := r.dir + "/work"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.text = "working_directory " + dir + ";\n" + r.text
	r.configure("")
	r.start()
	master := r.awaitHealthy().Nginx.PID
	r.await("complete", func(status.Status) bool { return r.titledWorkers() == 2 })
	stop := r.stream()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	kill(t, unix.SIGKILL, r.workers(master)[0])
	r.await("warned of", func(s status.Status) bool { return warned(s, "workers are missing") })
	// A new master is tried, and its workers give up as well.
	r.await("tried", func(s status.Status) bool { return warned(s, "a new nginx does no better") })
	if _, failed := stop(); failed > 1 { // one may have been with the worker that was killed
		t.Errorf("%d requests failed", failed)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Reload(t.Context()); err != nil || !got.Applied {
		t.Fatalf("reload: %+v, %v", got, err)
	}
	r.await("complete again", func(s status.Status) bool { return s.Nginx.Workers == 2 && !warned(s, "missing") })
}

// nginx tells its old workers to end whether or not the new ones have come to
// stay: that is no end of nginx, although one of the old ones serves on.
func TestReloadFromOutsideWhoseWorkersGiveUpIsHealed(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	client := r.slowClient()
	good := r.text
	r.text = "working_directory " + r.dir + "/nowhere;\n" + r.text
	r.configure("")
	kill(t, unix.SIGHUP, master)
	r.await("warned of", func(s status.Status) bool { return warned(s, "workers are missing") })
	r.text = good
	r.configure(newLocation)
	if got, err := r.Reload(t.Context()); err != nil || !got.Applied {
		t.Fatalf("reload: %+v, %v", got, err)
	}
	r.await("served", func(s status.Status) bool {
		return s.Health.Healthy && s.Nginx.Workers == 2 && !warned(s, "missing") && r.serves("/new")
	})
	fmt.Fprint(client, "Host: a\r\nConnection: close\r\n\r\n")
	if answer, err := io.ReadAll(client); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("who was served before the reload got %q, %v", answer, err)
	}
}

func TestStoppedMasterIsReplaced(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	stop := r.stream()
	kill(t, unix.SIGSTOP, master)
	r.await("warned of", func(s status.Status) bool { return warned(s, "SIGSTOP") })
	r.await("replaced", func(s status.Status) bool {
		return s.Health.Healthy && s.Nginx.PID != master && s.Nginx.PID != 0 && s.Nginx.Restarts == 1
	})
	if requests, failed := stop(); failed != 0 || requests == 0 {
		t.Errorf("%d of %d requests failed", failed, requests)
	}
	if warned(r.Status(), "SIGSTOP") {
		t.Error("the warning stays")
	}
}

// Who waits for a reload by a master that hangs is told so.
func TestReloadByAStoppedMasterIsAnswered(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	kill(t, unix.SIGSTOP, master)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	got, err := r.Reload(ctx)
	if err != nil || got.Applied || !strings.Contains(got.Reason, "SIGSTOP") {
		t.Errorf("reload: %+v, %v; want that the master is stopped", got, err)
	}
	r.await("replaced", func(s status.Status) bool { return s.Health.Healthy && s.Nginx.PID != master && s.Nginx.PID != 0 })
	if s := r.Status().Nginx; s.Configuration != "current" || s.Generation != 2 {
		t.Errorf("nginx: %+v; want the new master to have loaded what is on disk", s)
	}
}

func TestLingeringWorkersAreCountedByGeneration(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	client := r.slowClient()
	for range 2 {
		if got, err := r.Reload(t.Context()); err != nil || !got.Applied {
			t.Fatalf("reload: %+v, %v", got, err)
		}
	}
	lingering := func(generation uint64) func(status.Status) bool {
		return func(s status.Status) bool {
			return len(s.Nginx.Lingering) == 1 && s.Nginx.Lingering[0].Generation == generation && s.Nginx.Lingering[0].Workers == 1
		}
	}
	s := r.await("lingering", lingering(1))
	// And across the death of the master.
	kill(t, unix.SIGKILL, s.Nginx.PID)
	r.await("lingering", func(s status.Status) bool {
		return s.Nginx.Generation == 4 && len(s.Nginx.Lingering) == 1 && s.Nginx.Lingering[0].Workers == 1
	})
	client.Close()
	r.await("alone", func(s status.Status) bool { return len(s.Nginx.Lingering) == 0 && s.Health.Healthy })
}

// The cause of a refusal need not be in the files.
func TestRefusedConfigurationIsTriedAgain(t *testing.T) {
	taken, err := net.Listen("tcp", nginxtest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := prepareAuto(t)
	r.start()
	r.awaitHealthy()
	r.configure("listen " + taken.Addr().String() + "; " + newLocation)
	r.await("refused", func(s status.Status) bool {
		return s.Nginx.Configuration == "stale" && strings.Contains(s.Nginx.Reason, "Address already in use")
	})
	refusals := r.Status().Nginx.ReloadsFailed
	taken.Close()
	r.await("applied", current(2))
	if !r.serves("/new") {
		t.Error("the configuration does not serve")
	}
	if s := r.Status().Nginx; s.ReloadsFailed != refusals {
		t.Errorf("%d refusals of one change are counted", s.ReloadsFailed)
	}
}

// A reload waits for an old worker that hangs, and meanwhile the endpoint that
// is asked is no longer there.
func TestMovingTheStatusEndpointIsNoIllness(t *testing.T) {
	r := prepare(t)
	r.start()
	master := r.awaitHealthy().Nginx.PID
	r.text = strings.ReplaceAll(r.text, "/stub_status", "/moved")
	r.configure("")
	stuck := r.workers(master)[0]
	kill(t, unix.SIGSTOP, stuck)
	defer kill(t, unix.SIGCONT, stuck)
	type result struct {
		status.Reload
		err error
	}
	done := make(chan result, 1)
	go func() {
		got, err := r.Reload(t.Context())
		done <- result{got, err}
	}()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case got := <-done:
			if got.err != nil || !got.Applied {
				t.Errorf("reload: %+v", got)
			}
			asked := r.Status().Health.Probes
			s := r.await("asked on", func(s status.Status) bool { return s.Health.Probes.Answered > asked.Answered+10 || !s.Health.Healthy })
			if !s.Health.Healthy || !strings.HasSuffix(s.Health.URL, "/moved") {
				t.Errorf("health: %+v", s.Health)
			}
			return
		case <-pace.C:
			if s := r.Status().Health; !s.Healthy {
				t.Fatalf("health: %+v", s)
			}
		}
	}
}
