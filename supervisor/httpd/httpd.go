// Package httpd runs an HTTP server for as long as a context lasts.
package httpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Farewell is how long the answers under way have at the end, as a rule.
const Farewell = time.Second

// Serve has srv answer on l until ctx ends, and closes l. Answers under way then
// have as long as farewell. what names the server in errors.
func Serve(ctx context.Context, srv *http.Server, l net.Listener, what string, farewell time.Duration) error {
	ended := make(chan error, 1) // its one message: Serve's error
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", what, err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err := srv.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-ended
	if err != nil {
		return fmt.Errorf("close %s: %w", what, err)
	}
	return nil
}
