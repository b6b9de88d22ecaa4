package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngha/supervisor"
	"ngha/supervisor/config"
	"ngha/supervisor/logbuf"
	"ngha/supervisor/notify"
)

func newRun() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "run [flags] [-- COMMAND...]",
		Short: "Run nginx and take part in the election of its virtual routers",
		Long: `run starts nginx and takes part in the election of its virtual routers until
SIGTERM, SIGQUIT or SIGINT ends it in an orderly way. SIGHUP reloads nginx's
configuration, SIGUSR1 makes nginx reopen its logs, SIGUSR2 upgrades it. What follows -- is the command
that starts nginx.

A flag means what its key in the configuration file means, and wins over it. In
between stands the environment: --advert-interval is NGHA_ADVERT_INTERVAL there.
--vrid and --vip are enough for one virtual router; several are written into the
file.`,
		Example: `  ngha run --vrid 71 --vip 198.51.100.100
  ngha run --config /etc/ngha/ngha.yaml -- nginx -g "daemon off;"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if before := cmd.ArgsLenAtDash(); len(args) > 0 && before != 0 {
				return fmt.Errorf("run takes the command that starts nginx behind --: ngha run -- %s", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s := f.sources()
			if cmd.ArgsLenAtDash() >= 0 {
				s.Command = append([]string{}, args...)
			}
			c, err := config.Load(s)
			if err != nil {
				return fail(exitUsage, err)
			}
			return supervise(c, nil, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SetInterspersed(false) // so that nginx's own flags are not taken for ours when -- was forgotten
	f.add(cmd)
	return cmd
}

// supervise runs a node from its start to its end. prepare may be nil.
func supervise(c config.Config, prepare []string, stderr io.Writer) error {
	// Taken until the process is gone: a second one that comes as it ends must not
	// take the place of its exit code.
	sigs := make(chan os.Signal, 16)
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, supervisor.Leave)
	// A log that nobody reads any more is no reason to end. To ignore the signal
	// would hand that down to nginx and the hooks; to take it does not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	// Go's own exit code for a crash is that of an invalid configuration, after
	// which nobody starts ngha anew. So it is to be killed by a signal instead.
	debug.SetTraceback("crash")
	aborted := make(chan os.Signal, 1)
	signal.Notify(aborted, syscall.SIGABRT)
	go func() {
		<-aborted
		say(stderr, stacks())
		os.Exit(exitAborted)
	}()
	manager, err := notify.FromEnvironment()
	if err != nil {
		return fail(exitFailed, err)
	}

	log := logbuf.New(stderr, 0)
	err = runNode(c, manager, log, isTerminal(stderr), prepare, sigs)
	if closeErr := log.Close(time.Second); err == nil && closeErr != nil {
		// The log is lost, and this line perhaps with it, but the end was orderly.
		say(stderr, fmt.Sprintf("ngha: write the log: %v\n", closeErr))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, supervisor.ErrInvalid):
		return fail(exitUsage, err)
	case errors.Is(err, supervisor.ErrGivenUp):
		return fail(exitGivenUp, err)
	}
	return fail(exitFailed, err)
}

// maxStacks is how much is said of where a process hangs.
const maxStacks = 1 << 20

// stacks says where every goroutine is, for whoever sent SIGABRT, as a watchdog
// does. Go's own handler takes ten seconds and more.
func stacks() string {
	b := make([]byte, maxStacks)
	return fmt.Sprintf("ngha: aborted\n%s\n", b[:runtime.Stack(b, true)])
}

func runNode(c config.Config, manager *notify.Socket, log *logbuf.Writer, terminal bool, prepare []string, sigs <-chan os.Signal) error {
	s, err := supervisor.New(c, &supervisor.Options{
		Version:     versionOf(),
		Logger:      slog.New(handler(c.Log, log, terminal)),
		LogsDropped: log.Dropped,
		Manager:     manager,
		Prepare:     prepare,
	})
	if err != nil {
		return err
	}
	return s.Run(context.Background(), sigs)
}

// handler returns what writes the log to w as c says.
func handler(c config.Log, w io.Writer, terminal bool) slog.Handler {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.Level]
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && terminal {
		return slog.NewTextHandler(w, o)
	}
	return slog.NewJSONHandler(w, o)
}

// isTerminal reports whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
	})
	return err == nil && terminal
}
