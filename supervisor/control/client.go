package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"ngha/supervisor/status"
)

// ErrNotRunning tells that nobody listens on the socket.
var ErrNotRunning = errors.New("ngha does not run here, or has another control socket (--socket, or control.socket in --config)")

// RefusedError is ngha's own answer that it did not do what was asked.
type RefusedError struct {
	Code   int // the HTTP status
	Reason string
}

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// Client asks the ngha that listens on Socket.
//
// Its methods fail with an error that wraps [ErrNotRunning] where nobody
// listens, one that wraps [fs.ErrPermission] where the caller may not ask, and
// with a [*RefusedError] where ngha has answered but not done it.
type Client struct {
	Socket string
}

// Status asks for the newest snapshot.
func (c Client) Status(ctx context.Context) (status.Status, error) {
	var s status.Status
	err := c.do(ctx, http.MethodGet, "/status", &s)
	return s, err
}

// Reload has nginx's configuration tested and applied, and waits for the
// result, which can take minutes. Not applied is a result and not an error.
func (c Client) Reload(ctx context.Context) (status.Reload, error) {
	var r status.Reload
	err := c.do(ctx, http.MethodPost, "/reload", &r)
	return r, err
}

// Upgrade has a new master of the nginx that is on disk now take the place of the
// one that serves, and waits for the result. Not done is a result and not an
// error.
func (c Client) Upgrade(ctx context.Context) (status.Reload, error) {
	var r status.Reload
	err := c.do(ctx, http.MethodPost, "/upgrade", &r)
	return r, err
}

// maxAnswer bounds what is read from whoever listens there.
const maxAnswer = 16 << 20

func (c Client) do(ctx context.Context, method, path string, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://ngha"+path, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.Socket)
		},
		DisableKeepAlives: true,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("control socket %s: read the answer: %w", c.Socket, err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusUnprocessableEntity:
	default:
		var f fault
		if err := json.Unmarshal(body, &f); err != nil || f.Error == "" {
			f.Error = fmt.Sprintf("%s: %s", resp.Status, bytes.TrimSpace(body[:min(len(body), 200)]))
		}
		return &RefusedError{resp.StatusCode, f.Error}
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("control socket %s: not ngha's answer: %w", c.Socket, err)
	}
	return nil
}

// explain says what a failed connection means.
func (c Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("control socket %s: %w", c.Socket, ErrNotRunning)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: %w; ask as root, or as a member of control.group", c.Socket, fs.ErrPermission)
	}
	return fmt.Errorf("control socket %s: %w", c.Socket, err)
}
