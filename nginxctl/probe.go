package nginxctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Probe asks a status endpoint. It is a plain value.
type Probe struct {
	URL  string // http://127.0.0.1:8080/stub_status or http://unix:/run/x.sock:/stub_status
	Host string // the Host header; "": the URL's host
}

func (p Probe) String() string {
	if p.Host == "" {
		return p.URL
	}
	return p.URL + " (Host: " + p.Host + ")"
}

const probeForms = "write http://127.0.0.1:8080/stub_status or http://unix:/run/ngha/nginx.sock:/stub_status"

// ParseProbe checks a URL as users write it. A unix socket is written as
// nginx's proxy_pass has it.
func ParseProbe(text string) (Probe, error) {
	if _, err := parseTarget(text); err != nil {
		return Probe{}, fmt.Errorf("status URL %q: %w", text, err)
	}
	return Probe{URL: text}, nil
}

// A target is a probe's URL taken apart.
type target struct {
	network, address string // as net.Dial takes them
	url              string // with a host that http.NewRequest accepts
}

func parseTarget(text string) (target, error) {
	if rest, ok := strings.CutPrefix(text, "http://unix:"); ok {
		path, uri, _ := strings.Cut(rest, ":")
		if !strings.HasPrefix(path, "/") {
			return target{}, errors.New("a unix socket needs an absolute path: " + probeForms)
		}
		if uri == "" {
			uri = "/"
		}
		if !strings.HasPrefix(uri, "/") {
			return target{}, errors.New("what follows the socket's path must begin with /: " + probeForms)
		}
		u := "http://localhost" + uri
		if _, err := url.Parse(u); err != nil {
			return target{}, err
		}
		return target{"unix", path, u}, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return target{}, err
	case u.Scheme == "https":
		return target{}, errors.New("the status endpoint is asked without TLS: " + probeForms)
	case u.Scheme != "http":
		return target{}, errors.New("not an http URL: " + probeForms)
	case u.Hostname() == "":
		return target{}, errors.New("no host: " + probeForms)
	case u.User != nil || u.Fragment != "":
		return target{}, errors.New("a status URL has neither user nor fragment: " + probeForms)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return target{"tcp", net.JoinHostPort(u.Hostname(), port), text}, nil
}

// maxAnswer is many times the size of a stub_status answer.
const maxAnswer = 4096

// Check asks once, on a connection of its own. An answer that is not
// stub_status's is an error that quotes what came.
func (p Probe) Check(ctx context.Context) (StubStatus, error) {
	s, err := p.check(ctx)
	if err != nil {
		return StubStatus{}, fmt.Errorf("GET %v: %w", p, err)
	}
	return s, nil
}

func (p Probe) check(ctx context.Context) (StubStatus, error) {
	t, err := parseTarget(p.URL)
	if err != nil {
		return StubStatus{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return StubStatus{}, err
	}
	req.Host = p.Host
	req.Header.Set("User-Agent", "ngha")
	client := http.Transport{ // no proxy, no redirect, nothing kept
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 4 * maxAnswer,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, t.network, t.address)
		},
	}
	answer, err := client.RoundTrip(req)
	if err != nil {
		return StubStatus{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return StubStatus{}, fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return StubStatus{}, fmt.Errorf("%s: %s", answer.Status, quote(string(body)))
	}
	return ParseStubStatus(string(body))
}
