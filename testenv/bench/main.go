// Command bench does the same harm to a pair of ngha and to a pair of
// keepalived, each with nginx, in network namespaces of this machine, and
// prints what a client saw of it side by side, as a Markdown table. It also
// measures what ngha and its reloads cost, beside keepalived or nginx alone:
//
//	go run ./testenv/bench -n 5 -run 'vanishes|frozen'
//	go run ./testenv/bench -n 1 -run 'busy' -for 10m
//
// It needs root, and nginx, keepalived and curl. The runs of the products take
// turns, so that what else the machine does hits them alike.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
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
	only := flags.String("only", "", "only this `product`: ngha, keepalived or nginx")
	lasts := flags.Duration("for", soak, "how `long` the rows go on that may go on for as long as one likes")
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
	if *lasts < time.Second || *lasts > 24*time.Hour {
		return o, fmt.Errorf("-for %v: want 1s to 24h", *lasts)
	}
	pattern, err := regexp.Compile("(?i)" + *which)
	if err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
		if r.lasts > 0 {
			r.lasts = *lasts
		}
		if pattern.MatchString(r.name) {
			o.rows = append(o.rows, r)
		}
	}
	if len(o.rows) == 0 {
		return o, fmt.Errorf("-run %q matches none of\n  %s", *which, strings.Join(names, "\n  "))
	}
	for _, p := range products() {
		if *only == "" || *only == p.name() {
			o.products = append(o.products, p)
		}
	}
	if len(o.products) == 0 {
		return o, fmt.Errorf("-only %q: want ngha, keepalived or nginx", *only)
	}
	o.rows = slices.DeleteFunc(o.rows, func(r row) bool { return len(o.of(r)) == 0 })
	if len(o.rows) == 0 {
		return o, fmt.Errorf("-only %q: none of the rows measures it", *only)
	}
	return o, nil
}

// of lists the products that are asked for and that r measures.
func (o options) of(r row) []product {
	return slices.DeleteFunc(slices.Clone(o.products), func(p product) bool { return !r.measures(p) })
}

// bench measures, tells its progress to the second writer, and writes a report
// of what it has to the first, also when ctx ends before all is done.
func (o options) bench(ctx context.Context, out, progress io.Writer) error {
	rep := report{Machine: machine(), Versions: versions(ctx), products: o.measured()}
	for _, p := range rep.products {
		if k, ok := p.(keepalived); ok {
			rep.Keepalived = k.configuration("PRIORITY", "INTERVAL", "")
		}
	}
	t := turns{options: o, progress: progress, began: time.Now()}
	for _, r := range o.rows {
		rep.add(r, t.take(ctx, r))
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
	if t.failed > 0 {
		return fmt.Errorf("%d runs went wrong and are left out", t.failed)
	}
	return nil
}

// measured lists the products that a row measures.
func (o options) measured() []product {
	return slices.DeleteFunc(slices.Clone(o.products), func(p product) bool {
		return !slices.ContainsFunc(o.rows, func(r row) bool { return r.measures(p) })
	})
}
