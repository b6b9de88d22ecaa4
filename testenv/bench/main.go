// Command bench does the same harm to a pair of ngha and to a pair of
// keepalived, each with nginx, in network namespaces of this machine, and
// prints what a client saw of it side by side, as a Markdown table:
//
//	go run ./testenv/bench -n 5 -run 'vanishes|frozen'
//
// It needs root, and nginx, keepalived and curl. The runs of the products take
// turns, so that what else the machine does hits them alike.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"ngha/testenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal kills
	o, err := parse(os.Args[1:], os.Stderr)
	if err == flag.ErrHelp {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
	if err := o.bench(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// maxRuns of each row are more than anybody waits for.
const maxRuns = 1000

type options struct {
	runs     int
	rows     []row
	products []product
	json     bool
	verbose  bool
}

func parse(args []string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&o.runs, "n", 5, "`runs` of each row")
	which := flags.String("run", "", "only the rows whose name this `regexp` matches")
	only := flags.String("only", "", "only this `product`, ngha or keepalived")
	flags.BoolVar(&o.json, "json", false, "print JSON, with every single value")
	flags.BoolVar(&o.verbose, "v", false, "tell what the client saw in each run")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	}
	if o.runs < 1 || o.runs > maxRuns {
		return o, fmt.Errorf("-n %d: want 1 to %d", o.runs, maxRuns)
	}
	pattern, err := regexp.Compile("(?i)" + *which)
	if err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
		if pattern.MatchString(r.name) {
			o.rows = append(o.rows, r)
		}
	}
	if len(o.rows) == 0 {
		return o, fmt.Errorf("-run %q matches none of\n  %s", *which, strings.Join(names, "\n  "))
	}
	for _, p := range []product{ngha{}, keepalived{}} {
		if *only == "" || *only == p.name() {
			o.products = append(o.products, p)
		}
	}
	if len(o.products) == 0 {
		return o, fmt.Errorf("-only %q: want ngha or keepalived", *only)
	}
	return o, nil
}

// bench measures, tells its progress to the second writer, and writes a report
// of what it has to the first, also when ctx ends before all is done.
func (o options) bench(ctx context.Context, out, progress io.Writer) error {
	rep := report{Machine: machine(), Versions: versions(ctx), products: o.products}
	for _, p := range o.products {
		if k, ok := p.(keepalived); ok {
			rep.Keepalived = k.configuration("PRIORITY", "INTERVAL")
		}
	}
	failed := 0
	began := time.Now()
	for _, r := range o.rows {
		runs := make([][][]value, len(o.products))
		for i := 0; i < o.runs && ctx.Err() == nil; i++ {
			for j, p := range o.products {
				fmt.Fprintf(progress, "%6s %s, %s, run %d of %d:", time.Since(began).Round(time.Second), r.name, p.name(), i+1, o.runs)
				values, log := r.measure(ctx, p)
				if values == nil {
					failed++
					fmt.Fprintf(progress, " failed\n%s", log)
					continue
				}
				for k, f := range r.figures {
					fmt.Fprintf(progress, " %s %s;", f.name, f.unit.format(values[k]))
				}
				fmt.Fprintln(progress)
				if o.verbose {
					io.WriteString(progress, log)
				}
				runs[j] = append(runs[j], values)
			}
		}
		rep.add(r, runs)
	}
	write := rep.writeMarkdown
	if o.json {
		write = rep.writeJSON
	}
	if err := write(out); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed > 0 {
		return fmt.Errorf("%d runs went wrong and are left out", failed)
	}
	return nil
}

// measure makes one run of the row and returns what its lab logged. Without
// values it went wrong.
func (r row) measure(ctx context.Context, with product) (values []value, log string) {
	if ctx.Err() != nil {
		return nil, "ended\n"
	}
	var out bytes.Buffer
	measured := make(chan []value, 1) // the one send below
	code := testenv.Program{Title: r.name, Out: &out}.Run(func(tb testenv.TB) {
		measured <- r.run(newPair(tb, with, r))
	})
	if code != 0 {
		return nil, out.String()
	}
	return <-measured, out.String()
}
