package nginxctl

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/nginxctl/nginxtest"
)

func TestParseProbeNamesTheFault(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"https://127.0.0.1/s", "without TLS"},
		{"127.0.0.1:80/s", "not an http URL|first path segment"},
		{"/stub_status", "not an http URL"},
		{"http:///s", "no host"},
		{"http://unix:run/x:/s", "absolute path"},
		{"http://unix:/run/x:s", "must begin with /"},
		{"http://unix:", "absolute path"},
		{"http://user@h/s", "neither user nor fragment"},
		{"http://h/%zz", "invalid URL escape"},
		{"http://unix:/run/x:/%zz", "invalid URL escape"},
	} {
		_, err := ParseProbe(c.url)
		found := false
		for want := range strings.SplitSeq(c.want, "|") {
			found = found || err != nil && strings.Contains(err.Error(), want)
		}
		if !found {
			t.Errorf("ParseProbe(%q): %v, want %q", c.url, err, c.want)
		}
	}
}

func TestParseProbeTarget(t *testing.T) {
	for _, c := range []struct{ url, network, address string }{
		{"http://127.0.0.1:8080/stub_status", "tcp", "127.0.0.1:8080"},
		{"http://[::1]/s", "tcp", "[::1]:80"},
		{"http://localhost", "tcp", "localhost:80"},
		{"http://unix:/run/x.sock:/s?a=b", "unix", "/run/x.sock"},
		{"http://unix:/run/x.sock", "unix", "/run/x.sock"},
	} {
		got, err := parseTarget(c.url)
		if err != nil || got.network != c.network || got.address != c.address {
			t.Errorf("parseTarget(%q) = %+v, %v", c.url, got, err)
		}
	}
}

const stubStatus = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630947 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n"

func TestCheckReadsTheCounters(t *testing.T) {
	var host string
	var keptAlive bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, keptAlive = r.Host, !r.Close
		w.Write([]byte(stubStatus))
	}))
	defer srv.Close()
	got, err := Probe{URL: srv.URL + "/s", Host: "example.com"}.Check(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	want := StubStatus{Active: 291, Accepted: 16630948, Handled: 16630947, Requests: 31070465, Reading: 6, Writing: 179, Waiting: 106}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if host != "example.com" || keptAlive {
		t.Errorf("Host %q, keep-alive %v", host, keptAlive)
	}
}

func TestCheckQuotesAWrongAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"not found", http.NotFound, `404 Not Found: "404 page not found"`},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "302 Found"},
		{"another page", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>\n hello")) }, `not a stub_status answer: "<html> hello"`},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write([]byte(strings.Repeat("x ", 1<<10)))
			}
		}, "not a stub_status answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.answer)
			defer srv.Close()
			_, err := Probe{URL: srv.URL}.Check(testContext(t))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "GET "+srv.URL) {
				t.Errorf("Check: %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckOfAMuteEndpointEndsWithItsContext(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{Mute: true})
	n, _ := testNginx(t, f.Command())
	if err := start(t, n).Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if _, err := mustProbe(t, f.StatusURL()).Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Check: %v", err)
	}
}

func FuzzParseStubStatus(f *testing.F) {
	f.Add(stubStatus)
	f.Add("")
	f.Add("Active connections: 18446744073709551616\nserver accepts handled requests\n 1 1 1\nReading: 0 Writing: 1 Waiting: 0")
	f.Add("Active connections: -1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStubStatus(text)
		if err != nil {
			if s != (StubStatus{}) {
				t.Errorf("counters beside an error: %+v", s)
			}
			return
		}
		words := strings.Fields(text)
		if len(words) != 16 {
			t.Errorf("accepted %d words: %q", len(words), text)
		}
	})
}
