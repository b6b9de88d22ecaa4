package health

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/supervisor/reap"
)

func TestHTTP(t *testing.T) {
	tests := []struct {
		code int
		good bool
	}{
		{200, true}, {204, true}, {299, true}, {301, true}, {399, true},
		{400, false}, {404, false}, {500, false}, {503, false},
	}
	for _, test := range tests {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/healthz" {
				t.Errorf("asked for %s: a redirect was followed", r.URL.Path)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.code)
		}))
		err := HTTP(srv.URL + "/healthz")(t.Context())
		if (err == nil) != test.good {
			t.Errorf("%d: %v, want good = %t", test.code, err, test.good)
		}
		srv.Close()
	}
}

func TestHTTPFailsWhenNobodyListens(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	do := HTTP(srv.URL)
	srv.Close()
	if err := do(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestHTTPEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*ms)
	defer cancel()
	if err := HTTP("http://" + l.Addr().String())(ctx); err == nil {
		t.Error("no error")
	}
}

func TestExec(t *testing.T) {
	if err := Exec([]string{"true"}, reap.New(nil))(t.Context()); err != nil {
		t.Errorf("exit 0: %v", err)
	}
	err := Exec([]string{"sh", "-c", "echo disk is full >&2; exit 3"}, reap.New(nil))(t.Context())
	if err == nil || !strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want one with the status and the output", err)
	}
	if err := Exec([]string{filepath.Join(t.TempDir(), "absent")}, reap.New(nil))(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no such program", err)
	}
}

// TestLink looks at interfaces in a namespace of its own.
func TestLink(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread, and the namespace with it, ends here.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			if os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1" {
				t.Errorf("make a network namespace: %v", err)
			}
			t.Logf("not tested, no network namespace to be had: %v", err)
			return
		}
		links(t)
	}()
	<-done
}

func links(t *testing.T) {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "here"}, PeerName: "there"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Errorf("add a pair of interfaces: %v", err)
		return
	}
	check := func(when, want string) {
		t.Helper()
		got := "never asked"
		// The kernel takes up to a second to notice a carrier.
		for deadline := time.Now().Add(20 * time.Second); got != want && time.Now().Before(deadline); <-time.After(5 * ms) {
			got = ""
			if err := Link("here")(t.Context()); err != nil {
				got = err.Error()
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", when, diff)
		}
	}
	up := func(name string) {
		t.Helper()
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			t.Errorf("set %s up: %v", name, err)
		}
	}
	check("down", "interface here is down")
	up("here")
	check("the other end down", "interface here has no carrier")
	up("there")
	check("both ends up", "")
	if err := Link("absent0")(t.Context()); err == nil {
		t.Error("no error for an interface that is not there")
	}
}
