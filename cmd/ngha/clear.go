package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ngha/supervisor"
)

func newClear() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "clear",
		Short: "End the nginx that an ngha which was killed has left",
		Long: `clear ends the nginx of an ngha that runs no more: one that was killed, and whose
nginx serves on for the next one. It is for a node that is to serve no longer;
where ngha is started again, it takes that nginx's place by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupted(context.Background())
			defer stop()
			n, err := supervisor.Clear(ctx, c.Socket)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended %d processes of nginx\n", n)
			}
			if err != nil {
				return fail(exitFailed, err)
			}
			return nil
		},
	}
	f.add(cmd, "config", "socket")
	return cmd
}
