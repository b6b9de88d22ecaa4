package system_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const secureVIP = "https://" + vip + "/"

// http2 asks by HTTP/2, each time by a new connection, until it is stopped.
type http2 struct {
	*testing.T
	from *testenv.Host
	tls  *tls.Config
	quit chan struct{}
	done chan struct{}
	mu   sync.Mutex
	seen []testenv.Sample
}

func startHTTP2(t *testing.T, from *testenv.Host, c testenv.Certificate) *http2 {
	t.Helper()
	pem, err := os.ReadFile(c.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", c.Cert)
	}
	h := &http2{T: t, from: from, tls: &tls.Config{RootCAs: roots}, quit: make(chan struct{}), done: make(chan struct{})}
	go h.run()
	return h
}

func (h *http2) run() {
	defer close(h.done)
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for {
		s := testenv.Sample{Started: time.Now()}
		if err := h.ask(); err != nil {
			s.Failure = err.Error()
		}
		s.Ended = time.Now()
		h.mu.Lock()
		h.seen = append(h.seen, s)
		h.mu.Unlock()
		select {
		case <-pace.C:
		case <-h.quit:
			return
		}
	}
}

func (h *http2) ask() error {
	transport := h.from.HTTPClient().Transport.(*http.Transport)
	transport.TLSClientConfig, transport.ForceAttemptHTTP2 = h.tls.Clone(), true
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, secureVIP, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil && strings.Contains(err.Error(), "client conn could not be established") {
		// A worker that ends has taken the connection and says that it takes no request:
		// clients ask again (RFC 9113 section 6.8).
		resp, err = transport.RoundTrip(req)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		return fmt.Errorf("%s %s", resp.Proto, resp.Status)
	}
	return nil
}

// more waits until so many more requests have been made.
func (h *http2) more(s *site, n int) {
	h.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.seen)
	}
	want := count() + n
	s.lab.Await("requests by HTTP/2", limit, func() error {
		if have := count(); have < want {
			return fmt.Errorf("%d of %d", have, want)
		}
		return nil
	})
}

func (h *http2) stop() testenv.Result {
	close(h.quit)
	<-h.done
	return testenv.Result{Samples: h.seen}
}

// nginx listens for QUIC too. Its connections may break, since they belong to one
// worker; HTTP/3 answers again, and HTTP/1.1 and HTTP/2 notice nothing.
func TestHTTP3AnswersAgain(t *testing.T) {
	for name, row := range map[string]struct {
		hurt func(s *site) testenv.PIDs // who is killed
		cuts bool                       // workers are
	}{
		"after a reload": {func(s *site) testenv.PIDs {
			if got, err := s.a.Reload(); err != nil || !got.Applied {
				s.Errorf("reload: %+v, %v", got, err)
			}
			return nil
		}, false},
		"after the master's death": {func(s *site) testenv.PIDs { return s.a.NginxMaster() }, false},
		"after nginx's death":      {func(s *site) testenv.PIDs { return s.a.Nginx() }, true},
		"after the workers' death": {func(s *site) testenv.PIDs { return s.a.NginxWorkers() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLAN(t, time.Second)
			s.release = "trixie"
			s.client.SetRoot(s.lab.Root(s.release)) // for its curl
			cert := s.lab.Certificate(vip)
			s.start(s.host(), testenv.Node{Config: unhurried, Server: cert.HTTP3() + " http2 on;"})
			s.settlesOn(s.a)
			http3 := func() error {
				body, err := s.client.GetHTTP3(secureVIP, cert)
				if err == nil && body != "a\n" {
					err = fmt.Errorf("answered %q", body)
				}
				return err
			}
			if err := http3(); err != nil {
				t.Fatal(err)
			}
			plain := s.client.StartLoad("http://"+vip+"/", busy)
			secure := startHTTP2(t, s.client, cert)
			plain.Await(20)
			secure.more(s, 10)

			before := s.a.NginxWorkers()
			var cut time.Time
			if victims := row.hurt(s); victims != nil {
				if err := victims.Signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				if dead := s.awaitEnd(victims); row.cuts {
					cut = dead
				}
				s.renewed(s.a, victims)
			}
			began := time.Now()
			s.lab.Await("an answer by HTTP/3", limit, http3)
			t.Logf("HTTP/3 answered after %v", time.Since(began))
			s.awaitEnd(before) // until then it may be one of them, which goes
			for range 3 {      // by whichever worker
				if err := http3(); err != nil {
					t.Error(err)
				}
			}
			plain.Await(20)
			secure.more(s, 10)
			seen := plain.Stop()
			seen.New.Samples = append(seen.New.Samples, secure.stop().Samples...)
			s.lost(seen, cut)
		})
	}
}
