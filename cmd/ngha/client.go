package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ngha/supervisor/config"
	"ngha/supervisor/control"
	"ngha/supervisor/status"
)

// client returns a client of the ngha that the flags, the environment and the
// configuration file lead to.
func (f *flags) client() (control.Client, error) {
	socket, err := config.Socket(f.sources())
	if err != nil {
		return control.Client{}, fail(exitUsage, err)
	}
	return control.Client{Socket: socket}, nil
}

// untilInterrupted returns a context that ends when the operator has seen enough.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}

// explain says what an error of c means to the operator.
func explain(c control.Client, err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		err = fmt.Errorf("no ngha answers at %s: is it running? If its socket is elsewhere, name it with --socket, or its file with --config", c.Socket)
	}
	return fail(exitFailed, err)
}

func newReload() *cobra.Command {
	return newLoad(&cobra.Command{
		Use:   "reload",
		Short: "Reload nginx's configuration, and say whether it is in force",
		Long: `reload has nginx test its configuration and apply it, and waits until workers of
the new generation serve. When it is not applied, nginx goes on with the one it
had: its own words say why, and the exit code is 4.`,
	}, control.Client.Reload)
}

func newUpgrade() *cobra.Command {
	return newLoad(&cobra.Command{
		Use:   "upgrade",
		Short: "Change to the nginx that is on disk now, and say whether it serves",
		Long: `upgrade starts a new master of the nginx that is on disk now, with the
configuration that is on disk now, on the same listening sockets, and waits until
its workers serve: no connection is refused, and the old workers finish what they
have. Where the new ones crash or do not answer, the old master goes on with what
it had: the reason is said, and the exit code is 4.`,
	}, control.Client.Upgrade)
}

// newLoad returns a command that has nginx load what is on disk.
func newLoad(cmd *cobra.Command, load func(control.Client, context.Context) (status.Reload, error)) *cobra.Command {
	var f flags
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := f.client()
		if err != nil {
			return err
		}
		ctx, stop := untilInterrupted(context.Background())
		defer stop()
		r, err := load(c, ctx)
		if err != nil {
			return explain(c, err)
		}
		if !r.Applied {
			return fail(exitNotApplied, fmt.Errorf("%s not applied, generation %d goes on serving\n%s", cmd.Name(), r.Generation, strings.TrimSpace(r.Reason)))
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "applied generation %d in %s\n", r.Generation, took(r.Took)); err != nil {
			return fail(exitFailed, err)
		}
		return nil
	}
	f.add(cmd, "config", "socket")
	return cmd
}

// took prints a short duration for people.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
