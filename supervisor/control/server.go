package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"ngha/supervisor/httpd"
	"ngha/supervisor/status"
)

// Node is what the socket gives access to.
type Node interface {
	// Status returns the newest snapshot. It does not block.
	Status() status.Status
	// Reload tests and applies nginx's configuration. An error means that
	// nothing was tried; that it was tried in vain is a result. Ctx ends when
	// the caller goes away.
	Reload(ctx context.Context) (status.Reload, error)
	// Upgrade is Reload by a new master of the nginx that is on disk now.
	Upgrade(ctx context.Context) (status.Reload, error)
}

// Server answers requests on behalf of a Node. Logger may be nil.
type Server struct {
	Node   Node
	Logger *slog.Logger

	farewell time.Duration // zero: httpd.Farewell
}

const (
	// ioTimeout is how long a client may take to send a request, or to read
	// the answer. How long the answer takes to come about is the Node's affair.
	ioTimeout = 10 * time.Second
	// maxRequest is more than any request's header needs.
	maxRequest = 4 << 10
)

// Serve answers on l until ctx ends, and closes l. Requests under way are then
// ended: a reload that waits is called off by its context, and gets its answer.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	srv := &http.Server{
		Handler:     s.routes(),
		BaseContext: func(net.Listener) context.Context { return ctx },
		// Not ReadTimeout: it would end the context of a reload.
		ReadHeaderTimeout: ioTimeout,
		IdleTimeout:       ioTimeout,
		MaxHeaderBytes:    maxRequest,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return httpd.Serve(ctx, srv, l, "the control socket", cmp.Or(s.farewell, httpd.Farewell))
}

func (s Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status", only(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, s.Node.Status())
	}))
	mux.HandleFunc("/reload", only(http.MethodPost, run(s.Node.Reload)))
	mux.HandleFunc("/upgrade", only(http.MethodPost, run(s.Node.Upgrade)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("no %s here; there are /status, /reload and /upgrade", r.URL.Path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // so that the body is not read
			refuse(w, http.StatusRequestEntityTooLarge, "a request has no body here")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// run does what was asked for and answers what became of it.
func run(do func(context.Context) (status.Reload, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := do(r.Context())
		switch {
		case err != nil:
			refuse(w, http.StatusServiceUnavailable, err.Error())
		case !result.Applied:
			answer(w, http.StatusUnprocessableEntity, result)
		default:
			answer(w, http.StatusOK, result)
		}
	}
}

// only lets one method through.
func only(method string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s is asked by %s, not by %s", r.URL.Path, method, r.Method))
			return
		}
		h(w, r)
	}
}

// fault is the body of an answer that is not a result.
type fault struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, code int, why string) { answer(w, code, fault{why}) }

// answer writes v. A client that does not take it in time is given up.
func answer(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a value that JSON has no form for
		code, body = http.StatusInternalServerError, []byte(`{"error":"the answer has no form in JSON"}`)
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return // the connection is gone
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(body, '\n')) // fails only where the client is gone
}
