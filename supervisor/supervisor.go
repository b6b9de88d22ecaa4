package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/config"
	"ngha/supervisor/health"
	"ngha/supervisor/hook"
	"ngha/supervisor/notify"
	"ngha/supervisor/reap"
	"ngha/supervisor/status"
	"ngha/vrrp/lan"
)

// What Run's errors wrap where it makes a difference to the caller.
var (
	// ErrInvalid: the configuration, ngha's or nginx's, does not hold; nothing
	// was started.
	ErrInvalid = errors.New("invalid configuration")
	// ErrGivenUp: nginx could not be kept running and nothing serves any more.
	ErrGivenUp = errors.New("nginx given up")
)

// Leave is the signal, SIGRTMIN+1 as systemd counts them, that ends a node and
// leaves its nginx running: the next ngha takes its place without a connection
// refused.
const Leave = syscall.Signal(35)

// Options tune a Supervisor. A nil *Options, or any zero field, means the
// default.
type Options struct {
	Version     string        // shown in the status
	Logger      *slog.Logger  // nil discards
	LogsDropped func() uint64 // how many log lines were lost; nil: none

	// Manager is told how the node is; nil: nobody is.
	Manager *notify.Socket

	// Prepare stands before nginx's command line in the first test of its
	// configuration, and only there: an image's entrypoint, which makes
	// preparations for nginx and then executes it, in the environment that every
	// nginx is to have. That is learned by standin.Act in main.
	Prepare []string
}

// Serves reports whether a command line is one for Run to start: nginx, as a
// server. Others show or test something, or are no nginx.
func Serves(command []string) bool { return nginxctl.Serves(command) }

// Supervisor runs one node: its nginx and its virtual routers.
type Supervisor struct {
	config    config.Config
	options   Options
	log       *slog.Logger
	started   time.Time
	children  *reap.Children
	hooks     *hook.Runner
	network   *lan.Network // of all routers
	routers   []*virtualRouter
	standings standings
	reloads   reloads
	sessions  sessions
	retired   retirees
	watcher   *nginxctl.Watcher // of nginx's files
	herald    *herald

	// Written by the loop for others to read.
	snapshot atomic.Pointer[snapshot]
	master   atomic.Pointer[nginxctl.Master] // nil while none runs
	probe    atomic.Pointer[nginxctl.Probe]  // nil: nginx is not asked
	coming   atomic.Pointer[coming]          // nil: the endpoint does not move

	rivals atomic.Pointer[[]string] // warnings of others that speak VRRP here; nil: not looked for yet

	// replacing is set by a job that puts another master in place of the one
	// that runs, whose end then means nothing.
	replacing atomic.Bool

	// The rest belongs to Run.

	nginx       nginxctl.Nginx
	notRealtime error              // why what realtime wants is not so, or not all of it
	first       *configuration     // what preflight read, until the first start takes it
	custody     *nginxctl.Custody  // the job's while one runs; nil: its wrapper does not let nginx inherit
	kept        *nginxctl.LastGood // opened before the first start
	gate        health.Gate
	budget      budget
	node        node
	ending      *ending // nil: the loop goes on

	job     job
	jobs    chan func()                // what a finished job left to do; buffered for one
	answers chan health.Result[answer] // of probes
	turns   chan health.Event          // of checks
	turned  chan struct{}              // received from when the loop comes round
	over    chan struct{}              // closed when the loop is over

	control, metrics net.Listener // metrics: nil for none
	own              sync.WaitGroup
	draining         context.Context // for as long as workers of earlier masters may go on

	stopServing, stopHooks, stopDraining, stopRouters, stopWatching, stopTelling func()
}

// New returns a Supervisor for c. It does nothing until Run.
func New(c config.Config, o *Options) (*Supervisor, error) {
	s := &Supervisor{
		config:   c,
		started:  time.Now(),
		children: reap.New(nil),
		reloads:  reloads{asked: make(chan struct{}, 1)},
		sessions: newSessions(c.Control.Socket),
		gate:     health.Gate{Rise: c.Health.Rise, Fall: c.Health.Fall, Repair: c.Nginx.Repair},
		budget:   budget{Limit: c.Nginx.Restarts, Window: time.Minute},
		node:     node{nginx: status.Nginx{Configuration: configurationUnknown}},
		jobs:     make(chan func(), 1),
		answers:  make(chan health.Result[answer]),
		turns:    make(chan health.Event),
		turned:   make(chan struct{}),
		over:     make(chan struct{}),
	}
	if o != nil {
		s.options = *o
	}
	if s.log = s.options.Logger; s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.network = lan.NewNetwork(s.log)
	s.herald = newHerald(s.options.Manager)
	s.watcher = nginxctl.NewWatcher(s.log)
	s.watcher.Settle = c.Nginx.Settle
	s.custody = new(nginxctl.Custody)
	s.nginx = nginxctl.Nginx{Command: c.Nginx.Command, Spawner: s.children, KeepCapabilities: c.Nginx.KeepCapabilities}
	var hooks []hook.Hook
	for _, h := range c.Hooks {
		hooks = append(hooks, hook.Hook(h))
	}
	s.hooks = hook.New(hooks, s.children, &hook.Options{Node: c.Node, Logger: s.log})
	for _, check := range c.Checks {
		s.gate.Checks = append(s.gate.Checks, check.Name)
	}
	for _, v := range pulsed(grouped(c.VirtualRouters), s.started) {
		r, err := s.newVirtualRouter(v)
		if err != nil {
			return nil, fmt.Errorf("virtual router %s: %w", v.Name, err)
		}
		s.routers = append(s.routers, r)
	}
	s.standings.routers = s.routers
	bind(s.routers)
	s.publish()
	return s, nil
}
