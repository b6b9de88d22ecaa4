package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ngha/supervisor/status"
)

// node plays the part of a running ngha.
type node struct {
	status  status.Status
	reload  func(context.Context) (status.Reload, error)
	upgrade func(context.Context) (status.Reload, error)
}

func (n node) Status() status.Status                              { return n.status }
func (n node) Reload(ctx context.Context) (status.Reload, error)  { return n.reload(ctx) }
func (n node) Upgrade(ctx context.Context) (status.Reload, error) { return n.upgrade(ctx) }

// serve serves n on a socket of its own until end is called, which returns the
// error of Serve.
func serve(t *testing.T, n Node) (c Client, end func() error) {
	t.Helper()
	return serveBy(t, Server{Node: n, farewell: time.Minute})
}

func serveBy(t *testing.T, s Server) (c Client, end func() error) {
	t.Helper()
	c.Socket = filepath.Join(t.TempDir(), "ngha.sock")
	l, err := Listen(c.Socket, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	done := false
	end = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c, end
}

func TestStatusArrivesWhole(t *testing.T) {
	since := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	want := status.Status{
		Node: "a", Version: "1.2.3", Started: since,
		Health: status.Health{Healthy: true, State: "healthy", Reason: "nginx answers", Since: since},
		VirtualRouters: []status.VirtualRouter{{
			Name: "web", VRID: 51, State: "backup", Priority: 200,
			Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32")},
			Active:    &status.Peer{Address: netip.MustParseAddr("198.51.100.3"), Priority: 150},
			Counters:  status.Counters{Discarded: map[string]uint64{"ttl": 3}, Lateness: status.Lateness{Max: time.Millisecond}},
		}},
	}
	c, _ := serve(t, node{status: want})
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestReloadResults(t *testing.T) {
	tests := []struct {
		name string
		want status.Reload
		err  error
	}{
		{"applied", status.Reload{Applied: true, Generation: 7, Took: 115 * time.Millisecond}, nil},
		{"not applied", status.Reload{Generation: 6, Reason: "unknown directive \"listn\""}, nil},
		{"refused", status.Reload{}, errors.New("ngha is ending")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := func(context.Context) (status.Reload, error) { return test.want, test.err }
			byReload, _ := serve(t, node{reload: result})
			byUpgrade, _ := serve(t, node{upgrade: result})
			for what, ask := range map[string]func(context.Context) (status.Reload, error){
				"reload": byReload.Reload, "upgrade": byUpgrade.Upgrade,
			} {
				got, err := ask(t.Context())
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("result of the %s (-want +got):\n%s", what, diff)
				}
				refused, ok := errors.AsType[*RefusedError](err)
				switch {
				case test.err == nil && err != nil:
					t.Errorf("error of the %s: %v", what, err)
				case test.err != nil && (!ok || refused.Reason != test.err.Error() || refused.Code != http.StatusServiceUnavailable):
					t.Errorf("error of the %s: %v, want a refusal: %v", what, err, test.err)
				}
			}
		})
	}
}

func TestClientThatGoesAwayEndsTheContextOfItsReload(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	c, _ := serve(t, node{reload: func(ctx context.Context) (status.Reload, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return status.Reload{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := c.Reload(ctx)
		failed <- err
	}()
	<-began
	cancel()
	<-ended
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was canceled", err)
	}
}

func TestEndCallsOffAReloadAndAnswersIt(t *testing.T) {
	began := make(chan struct{})
	c, end := serve(t, node{reload: func(ctx context.Context) (status.Reload, error) {
		close(began)
		<-ctx.Done()
		return status.Reload{}, errors.New("called off: ngha is ending")
	}})
	failed := make(chan error, 1)
	go func() {
		_, err := c.Reload(t.Context())
		failed <- err
	}()
	<-began
	if err := end(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, ok := errors.AsType[*RefusedError](<-failed); !ok {
		t.Error("the reload that was under way got no answer")
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v after the end, want ErrNotRunning", err)
	}
}

func TestEndDoesNotWaitForANodeThatDoesNotEnd(t *testing.T) {
	began, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	c, end := serveBy(t, Server{farewell: time.Millisecond, Node: node{reload: func(context.Context) (status.Reload, error) {
		close(began)
		<-never
		return status.Reload{}, nil
	}}})
	failed := make(chan error, 1)
	go func() {
		_, err := c.Reload(t.Context())
		failed <- err
	}()
	<-began
	if err := end(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the client got an answer out of nothing")
	}
}

func TestServerAnswersInJSONWhateverIsAsked(t *testing.T) {
	c, _ := serve(t, node{})
	tests := []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/nonsense", "", 404, `{"error":"no /nonsense here; there are /status, /reload and /upgrade"}`},
		{"GET", "/", "", 404, `{"error":"no / here; there are /status, /reload and /upgrade"}`},
		{"POST", "/status", "", 405, `{"error":"/status is asked by GET, not by POST"}`},
		{"GET", "/reload", "", 405, `{"error":"/reload is asked by POST, not by GET"}`},
		{"POST", "/reload", "please", 413, `{"error":"a request has no body here"}`},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://ngha"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Transport{
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					var d net.Dialer
					return d.DialContext(ctx, "unix", c.Socket)
				},
				DisableKeepAlives: true,
			}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(resp.StatusCode, resp.Header.Get("Content-Type"), strings.TrimSpace(string(body)))
			if diff := cmp.Diff(fmt.Sprint(test.code, "application/json", test.want), got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientTellsNobodyThereFromSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	c := Client{Socket: filepath.Join(dir, "absent.sock")}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v, want ErrNotRunning", err)
	}

	c.Socket = filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Socket})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a socket that was left behind: %v, want ErrNotRunning", err)
	}

	c.Socket = filepath.Join(dir, "other.sock")
	other, err := net.Listen("unix", c.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go http.Serve(other, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	if _, err := c.Status(t.Context()); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("another program: %v, want an error, and not ErrNotRunning", err)
	}
}
