package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/supervisor/config"
	"ngha/supervisor/notify"
)

// manager is a service manager that started the run.
type manager struct {
	*testing.T
	conn *net.UnixConn
}

func (r *run) managed(watchdog time.Duration) manager {
	r.t.Helper()
	path := filepath.Join(r.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	r.t.Setenv("NOTIFY_SOCKET", path)
	if r.manager, err = notify.FromEnvironment(); err != nil {
		r.t.Fatal(err)
	}
	r.manager.Watchdog = watchdog
	return manager{r.t, conn}
}

// next returns the next message, or none within limit.
func (m manager) next(limit time.Duration) (string, bool) {
	m.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		m.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := m.conn.Read(b)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return "", false
	}
	if err != nil {
		m.Fatal(err)
	}
	return string(b[:n]), true
}

// await returns the first message with a line that begins in one of these ways.
func (m manager) await(beginnings ...string) string {
	m.Helper()
	for {
		message, ok := m.next(20 * time.Second)
		if !ok {
			m.Fatalf("never heard %q", beginnings)
		}
		for line := range strings.Lines(message) {
			for _, b := range beginnings {
				if strings.HasPrefix(line, b) {
					return message
				}
			}
		}
	}
}

func TestManagerHearsWhenNginxServesReloadsAndEnds(t *testing.T) {
	r := prepare(t)
	m := r.managed(0)
	r.start()
	if got := m.await("READY", "RELOADING", "STOPPING"); !strings.Contains(got, "READY=1") || !strings.Contains(got, "STATUS=healthy: nginx answers") {
		t.Errorf("first %q, want that it is ready and healthy", got)
	}
	if err := r.get(); err != nil {
		t.Error(err)
	}
	for _, server := range []string{"", "nonsense;"} {
		r.configure(server)
		before := notify.Now()
		if res, err := r.Reload(t.Context()); err != nil || res.Applied != (server == "") {
			t.Fatalf("Reload = %+v, %v", res, err)
		}
		var usec int64
		got := m.await("READY", "RELOADING", "STOPPING")
		if _, err := fmt.Sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%d", &usec); err != nil {
			t.Fatalf("heard %q, want that it reloads (%v)", got, err)
		}
		if begun := time.Duration(usec) * time.Microsecond; begun < before.Truncate(time.Microsecond) || begun > notify.Now() {
			t.Errorf("it reloads since %v, want from %v on", begun, before)
		}
		got = m.await("READY=1", "RELOADING", "STOPPING")
		if !strings.Contains(got, "READY=1") {
			t.Errorf("heard %q, want that the reload is over", got)
		}
		if failed := strings.Contains(got, "STATUS=healthy: nginx answers; warning: nginx's configuration on disk was not applied"); failed != (server != "") {
			t.Errorf("heard %q after the reload of %q", got, server)
		}
	}
	r.sigs <- unix.SIGTERM
	if got := m.await("READY", "RELOADING", "STOPPING"); !strings.Contains(got, "STOPPING=1") || !strings.Contains(got, "EXTEND_TIMEOUT_USEC=19000000") {
		t.Errorf("at the end %q, want that it ends, and by when", got)
	}
	if err := r.awaitEnd(); err != nil {
		t.Error(err)
	}
}

// What has been judged ill serves as well as it can: who waits for the start
// waits no longer, or would end it.
func TestManagerHearsOfAStartWithAFailingCheck(t *testing.T) {
	r := prepare(t)
	r.config.Checks = []config.Check{{Name: "never", Exec: []string{"/bin/false"}, Interval: 20 * time.Millisecond, Timeout: time.Second, Rise: 1, Fall: 1}}
	m := r.managed(0)
	r.start()
	if got := m.await("READY"); !strings.Contains(got, "STATUS=ill: check") {
		t.Errorf("heard %q, want that it is up, and ill", got)
	}
}

// held is a log that blocks while it is held.
type held struct {
	slog.Handler
	begun, free chan struct{}
}

func (h held) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "reloading") {
		close(h.begun)
		<-h.free
	}
	return h.Handler.Handle(ctx, r)
}

func TestSignsOfLifeEndWhenTheLoopIsStuck(t *testing.T) {
	r := prepare(t)
	r.withRouter(false)
	const watchdog = 400 * time.Millisecond
	m := r.managed(watchdog)
	h := held{slog.NewTextHandler(t.Output(), nil), make(chan struct{}), make(chan struct{})}
	free := sync.OnceFunc(func() { close(h.free) })
	r.logger = h
	r.start()
	m.await("READY")
	t.Cleanup(free) // before the run is waited for
	for range 3 {
		m.await("WATCHDOG=1")
	}
	r.sigs <- unix.SIGHUP // the loop logs that
	<-h.begun
	for waiting := 0; ; waiting++ { // that were sent before, and one that was asked for
		if _, ok := m.next(2 * watchdog); !ok {
			break
		}
		if waiting > 20 {
			t.Fatal("signs of life from a loop that is stuck")
		}
	}
	free()
	m.await("WATCHDOG=1")
	r.sigs <- unix.SIGTERM
	m.await("STOPPING")
}

// An end may last longer than a watchdog waits.
func TestSignsOfLifeGoOnWhileNginxFinishes(t *testing.T) {
	r := prepare(t)
	r.config.Nginx.Shutdown = time.Hour
	m := r.managed(200 * time.Millisecond)
	r.start()
	m.await("READY")
	client := r.slowClient()
	r.sigs <- unix.SIGTERM
	m.await("STOPPING")
	for range 4 {
		m.await("WATCHDOG=1")
	}
	client.Close()
	if err := r.awaitEnd(); err != nil {
		t.Error(err)
	}
}

// Nobody knows how long nginx takes which somebody else has told to finish.
func TestEndFromOutsideMayTakeItsTime(t *testing.T) {
	r := prepare(t)
	m := r.managed(200 * time.Millisecond)
	r.start()
	m.await("READY")
	client := r.slowClient()
	kill(t, unix.SIGQUIT, r.Status().Nginx.PID)
	m.await("STOPPING")
	for range 3 {
		m.await("EXTEND_TIMEOUT_USEC")
	}
	client.Close()
	if err := r.awaitEnd(); err != nil {
		t.Error(err)
	}
}
