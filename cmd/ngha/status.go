package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"ngha/supervisor/status"
)

func newStatus() *cobra.Command {
	var f flags
	var asJSON, watch, onlyCheck bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the node, its nginx and its virtual routers",
		Long: `status shows the node, its nginx and its virtual routers.

With --check it prints a sentence and exits 0 when nginx serves and every virtual
router takes part in its election, as the active one or standing by, and 1 when
not, or when no ngha answers. It is what a container's HEALTHCHECK asks.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupted(context.Background())
			defer stop()
			if onlyCheck {
				sentence, err := check(ctx, c)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), sentence) // the exit code tells where nobody reads it
				return nil
			}
			v := view{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: asJSON}
			ask := func() (status.Status, error) {
				s, err := c.Status(ctx)
				if err != nil {
					return s, explain(c, err)
				}
				return s, nil
			}
			if watch {
				v.terminal = isTerminal(v.out)
				return v.watch(ctx, ask)
			}
			s, err := ask()
			if err != nil {
				return err
			}
			if err := v.show(s, time.Now()); err != nil {
				return fail(exitFailed, err)
			}
			return nil
		},
	}
	f.add(cmd, "config", "socket")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything there is, as JSON")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on: redraw every second on a terminal, print what changes elsewhere")
	cmd.Flags().BoolVar(&onlyCheck, "check", false, "only say whether all is well, in a sentence and by the exit code")
	cmd.MarkFlagsMutuallyExclusive("json", "check")
	cmd.MarkFlagsMutuallyExclusive("watch", "check")
	return cmd
}

// view prints statuses.
type view struct {
	out, err io.Writer
	json     bool
	terminal bool // redraw in place
}

// show prints s once.
func (v view) show(s status.Status, now time.Time) error {
	if !v.json {
		return Render(v.out, s, now)
	}
	e := json.NewEncoder(v.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// watchInterval is how often a watched node is asked.
const watchInterval = time.Second

// clearScreen moves a terminal's cursor home and clears what is below.
const clearScreen = "\x1b[H\x1b[J"

// watch prints what ask returns until ctx ends. A node that stops answering
// after it has once answered is waited for: it may be restarting, which is what
// one watches.
func (v view) watch(ctx context.Context, ask func() (status.Status, error)) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var last status.Status
	answered, silent := false, false
	for {
		s, err := ask()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !answered:
			return err
		case err != nil:
			if !silent || v.terminal {
				v.lost(err)
			}
			silent = true
		case v.terminal || silent || !answered || !reflect.DeepEqual(gist(s), gist(last)):
			if err := v.update(s); err != nil {
				return fail(exitFailed, err)
			}
			last, answered, silent = s, true, false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// update prints s in the place of, or after, what was printed before, with one
// write so that a terminal does not flicker.
func (v view) update(s status.Status) error {
	var b bytes.Buffer
	if v.terminal {
		b.WriteString(clearScreen)
	}
	to := v
	to.out = &b
	var err error
	if v.json && !v.terminal {
		err = json.NewEncoder(&b).Encode(s) // one line each
	} else {
		err = to.show(s, time.Now())
	}
	if err != nil {
		return err
	}
	if !v.json && !v.terminal {
		b.WriteByte('\n')
	}
	_, err = v.out.Write(b.Bytes())
	return err
}

// lost tells that nobody answers any more.
func (v view) lost(err error) {
	if v.terminal {
		fmt.Fprint(v.err, clearScreen)
	}
	fmt.Fprintf(v.err, "ngha: %v\n", err)
}

// gist is s without what changes all the time.
func gist(s status.Status) status.Status {
	s.Health.Probes = status.Probes{}
	s.Nginx.Connections = status.Connections{}
	routers := make([]status.VirtualRouter, len(s.VirtualRouters))
	for i, v := range s.VirtualRouters {
		v.Counters = status.Counters{}
		routers[i] = v
	}
	s.VirtualRouters = routers
	return s
}
