package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ngha/supervisor/httpd"
	"ngha/supervisor/status"
)

// Handler answers a scrape with the snapshot of the moment and with the figures
// of ngha's own process. Logger may be nil.
func Handler(snapshot func() status.Status, logger *slog.Logger) http.Handler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collector{snapshot},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		// One series that cannot be told must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             ioTimeout,
	})
}

const (
	ioTimeout  = 10 * time.Second
	maxRequest = 16 << 10
)

// Listen listens on addr, a host:port. It is called early, so that a port which
// is taken is known before nginx is started.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("metrics on %s: %w; end what listens there, or choose another one (metrics.listen, --metrics)", addr, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("metrics on %s: %w; it must be an address of this node (metrics.listen, --metrics)", addr, syscall.EADDRNOTAVAIL)
	case err != nil:
		return nil, fmt.Errorf("metrics on %s: %w; a host:port such as 127.0.0.1:9650 is wanted (metrics.listen, --metrics)", addr, err)
	}
	return l, nil
}

// Server shows a snapshot at /metrics. Logger may be nil.
type Server struct {
	Snapshot func() status.Status // called at each scrape, by any goroutine
	Logger   *slog.Logger
}

// Serve answers on l until ctx ends, and closes l.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", Handler(s.Snapshot, s.Logger))
	mux.Handle("GET /{$}", http.RedirectHandler("/metrics", http.StatusFound))
	srv := &http.Server{
		Handler:        mux,
		ReadTimeout:    ioTimeout,
		WriteTimeout:   2 * ioTimeout,
		IdleTimeout:    2 * time.Minute, // longer than scrapes are apart
		MaxHeaderBytes: maxRequest,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // clients' faults
	}
	return httpd.Serve(ctx, srv, l, "metrics", httpd.Farewell)
}
