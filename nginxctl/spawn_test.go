package nginxctl

import (
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// recorder is a Spawner that keeps the books as a reaper does.
type recorder struct {
	mu      sync.Mutex
	own     map[int]bool // started and not waited for
	started int
	threads map[int]bool // that Start was called on
}

func (r *recorder) Start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.started++
	r.own[cmd.Process.Pid] = true
	r.threads[unix.Gettid()] = true
	return nil
}

func (r *recorder) Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.own, cmd.Process.Pid)
	return err
}

func TestEveryProcessGoesThroughTheSpawner(t *testing.T) {
	nginxtest.Require(t)
	r := &recorder{own: make(map[int]bool), threads: make(map[int]bool)}
	n, _ := testNginx(t, nginxtest.NewSite(t, nginxtest.Config{}).Command())
	n.Spawner = r
	if err := n.Test(testContext(t)); err != nil {
		t.Fatal(err)
	}
	m := start(t, n) // with a dump: -T and -V
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if r.started != 4 || len(r.own) != 1 || !r.own[m.PID()] {
		t.Errorf("%d started, %v run; want 4 and the master", r.started, r.own)
	}
	if r.threads[unix.Getpid()] {
		t.Error("started on the first thread, which would have lost its capabilities")
	}
	if err := m.Stop(testContext(t), StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(r.own) != 0 {
		t.Errorf("not waited for: %v", r.own)
	}
}

func TestFirstThreadIsAvoided(t *testing.T) {
	// Some goroutine of these runs on the first thread, and would take it.
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			done := make(chan int, 1)
			go onOtherThread(func() { done <- unix.Gettid() })
			if tid := <-done; tid == unix.Getpid() {
				t.Error("on the first thread")
			}
		})
	}
	wg.Wait()
}

func TestStartOfAMissingProgram(t *testing.T) {
	n, _ := testNginx(t, []string{"/no/such/nginx"})
	if m, err := n.Start(testContext(t)); err == nil {
		t.Errorf("Start: %v", m)
	}
}
