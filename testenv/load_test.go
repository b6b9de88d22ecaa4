package testenv

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serveBy answers on a, port 80, each connection by the letters of script, one
// for a request: A answers; C answers and closes; X closes without an answer, R
// resets, P does so in the middle of one.
func serveBy(t *testing.T, a *Host, script string) {
	t.Helper()
	var l net.Listener
	if err := a.Do(func() (err error) {
		l, err = net.Listen("tcp", "198.51.100.1:80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for _, c := range script {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					switch c {
					case 'X':
						return
					case 'R':
						conn.(*net.TCPConn).SetLinger(0)
						return
					case 'P':
						io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
						return
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Node: a\r\nContent-Length: 2\r\n\r\nok")
					if c == 'C' {
						return
					}
				}
			}()
		}
	}()
}

func TestLoadFollowsHTTP(t *testing.T) {
	for _, c := range []struct {
		name, script      string
		failure           string
		retried, reopened bool
	}{
		{name: "a kept connection is closed before an answer", script: "AX", retried: true},
		{name: "... or reset", script: "AR", retried: true},
		{name: "a new connection is closed before an answer", script: "X", failure: "cut short"},
		{name: "... or reset", script: "R", failure: "reset"},
		{name: "a kept one in the middle of an answer", script: "AP", failure: "cut short"},
		{name: "the server closes what is idle", script: "AC", reopened: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := New(t)
			lan := lab.Bridge("lan")
			a, client := lab.Host("a"), lab.Host("client")
			lan.Attach(a, "198.51.100.1/24")
			lan.Attach(client, "198.51.100.9/24")
			serveBy(t, a, c.script)
			// Long enough to see the end of a connection.
			l := client.StartLoad("http://198.51.100.1/", Clients{KeepAlive: 2, Think: 50 * time.Millisecond})
			l.Await(6)
			r := l.Stop()
			for kind := range r.KeepAlive.Failures() {
				if kind != c.failure {
					t.Errorf("failed by %q, want %q", kind, c.failure)
				}
			}
			if failed := r.KeepAlive.Failed() > 0; failed != (c.failure != "") {
				t.Errorf("failed: %t", failed)
			}
			// Who is slow to see the end of an idle connection asks on it in vain.
			if got := r.Retried() > 0; got != c.retried && !c.reopened {
				t.Errorf("retried: %t, want %t", got, c.retried)
			}
			if got := r.Reopened > 0; got != c.reopened {
				t.Errorf("reopened: %t, want %t", got, c.reopened)
			}
			if t.Failed() {
				t.Log(r)
			}
		})
	}
}

func TestLoadSeesWhatNginxDoes(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, client := lab.Host("a"), lab.Host("client")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(client, "198.51.100.9/24")
	nginx := lab.StartNginx(a, "")
	eventually(t, "nginx to answer", func() error {
		conn, err := client.Dial(t.Context(), "198.51.100.1:80")
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	l := client.StartLoad("http://198.51.100.1/", Clients{New: 200, KeepAlive: 2, Think: 10 * time.Millisecond, Downloads: 2})
	l.Await(20)
	if r := l.probe.Result(); r.Failed() > 0 {
		t.Errorf("while nginx was well: %v", r)
	}
	l.AwaitDownloads()         // so that each has the better part of the next before it
	nginx.Signal(unix.SIGTERM) // its workers go with it, and what they serve
	nginx.AwaitExit()
	l.Await(20)
	r := l.Stop()
	t.Log(r)
	if r.New.Failures()["refused"] == 0 || r.KeepAlive.Failures()["refused"] == 0 {
		t.Error("nobody was refused")
	}
	if d := r.Downloads.Failures(); d["cut short"]+d["reset"] < 2 {
		t.Error("no download was cut off")
	}
	if r.KeepAlive.Slowest() == 0 || r.KeepAlive.Percentile(50) > r.KeepAlive.Slowest() {
		t.Errorf("half of the answers took %v, the slowest %v", r.KeepAlive.Percentile(50), r.KeepAlive.Slowest())
	}
}
