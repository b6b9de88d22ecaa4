package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// standIn takes ngha's place where the lab itself is tested: it runs what
// follows the -- and stays.
const standIn = `#!/bin/sh
echo "started with $*"
while [ "$1" != -- ]; do shift; done
shift
"$@" &
sleep infinity &
wait`

func useStandIn(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ngha")
	if err := os.WriteFile(path, []byte(standIn), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(binaryVariable, path)
}

// awaitNginx waits until the node has so many masters and workers.
func awaitNginx(t *testing.T, n *Node, masters, workers int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d masters and %d workers", masters, workers), func() error {
		if m, w := len(n.NginxMaster()), len(n.NginxWorkers()); m != masters || w != workers {
			return fmt.Errorf("there are %d and %d: %v", m, w, n.Nginx())
		}
		return nil
	})
}

func TestNodeShowsAndLosesItsProcesses(t *testing.T) {
	useStandIn(t)
	lab := New(t)
	a, client := lab.Host("a"), lab.Host("client")
	lan := lab.Bridge("lan")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(client, "198.51.100.9/24")
	for _, underInit := range []bool{false, true} {
		t.Run(fmt.Sprintf("under init %v", underInit), func(t *testing.T) {
			n := lab.StartNode(a, Node{UnderInit: underInit})
			awaitNginx(t, n, 1, 2)
			if got := get(t, client, "http://198.51.100.1/"); got != "a: a\n" {
				t.Errorf("answered %q", got)
			}
			workers := n.NginxWorkers()
			if err := n.NginxMaster().Signal(unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			awaitNginx(t, n, 0, 2)
			if diff := cmp.Diff(workers, n.NginxWorkers()); diff != "" {
				t.Errorf("other workers now (-want +got):\n%s", diff)
			}
			if got := get(t, client, "http://198.51.100.1/"); got != "a: a\n" {
				t.Errorf("the orphans answered %q", got)
			}
			n.Kill()
			if err := gone(workers); underInit == (err == nil) {
				t.Errorf("after ngha was killed: %v", err)
			}
		})
	}
}

// A worker is called as its master until it has come to name itself.
func TestNewWorkerIsNoMaster(t *testing.T) {
	useStandIn(t)
	lab := New(t)
	n := lab.StartNode(lab.Host("a"), Node{})
	awaitNginx(t, n, 1, 2)
	master := n.NginxMaster()
	for range 20 {
		if err := n.NginxWorkers().Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for len(n.NginxWorkers()) < 2 {
			if diff := cmp.Diff(master, n.NginxMaster()); diff != "" {
				t.Fatalf("the masters (-want +got):\n%s", diff)
			}
		}
	}
}

func TestKilledNodeUnderInitStartsAgainBesideItsNginx(t *testing.T) {
	useStandIn(t)
	lab := New(t)
	a := lab.Host("a")
	n := lab.StartNode(a, Node{UnderInit: true})
	awaitNginx(t, n, 1, 2)
	n.Kill()
	awaitNginx(t, n, 1, 2)
	if out, err := n.Run("cat", "/run/nginx/nginx.pid"); err != nil {
		t.Errorf("the node lost its /run: %v\n%s", err, out)
	}
	n.Start()
	awaitOutput(t, n.Process(), "started with run --config")
	a.PowerOff()
	if left := n.Nginx(); len(left) > 0 {
		t.Errorf("processes %v outlived the power", left)
	}
}

func get(t *testing.T, from *Host, url string) string {
	t.Helper()
	client := from.HTTPClient()
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.Get("X-Node") + ": " + string(body)
}

func TestNodeYAML(t *testing.T) {
	n := Node{
		VRID: 51, VIPs: []string{"198.51.100.100", "2001:db8::100"}, Priority: 200, Interval: 200 * time.Millisecond,
		Peers: []string{"198.51.100.2"}, Failback: "never", Unhealthy: "release",
		Config: "log: {level: debug}\n", Router: "checksum: rfc9568\nname: web\n",
	}
	want := strings.TrimLeft(`
control: {socket: /run/ngha/ngha.sock}
log: {level: debug}

virtual_routers:
  - vrid: 51
    addresses: ["198.51.100.100", "2001:db8::100"]
    priority: 200
    interval: 200ms
    peers: ["198.51.100.2"]
    failback: never
    unhealthy: release
    checksum: rfc9568
    name: web
`, "\n")
	if diff := cmp.Diff(want, n.nghaYAML()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}
