package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"ngha/testenv"
)

// turns are the runs of all rows.
type turns struct {
	options
	progress io.Writer
	began    time.Time
	failed   int
}

// take makes the runs of one row, of the products in turn: first one of them is
// the first, then the other. A run that went wrong has no values.
func (t *turns) take(ctx context.Context, r row) []column {
	measured := t.of(r)
	var columns []column
	for _, p := range measured {
		columns = append(columns, column{p.name(), make([][]value, t.runs)})
	}
	for i := 0; i < t.runs && ctx.Err() == nil; i++ {
		for j := range columns {
			if i%2 == 1 {
				j = len(columns) - 1 - j
			}
			columns[j].runs[i] = t.run(ctx, r, measured[j], i)
		}
	}
	return columns
}

func (t *turns) run(ctx context.Context, r row, p product, i int) []value {
	fmt.Fprintf(t.progress, "%6s %s, %s, run %d of %d:", time.Since(t.began).Round(time.Second), r.name, p.name(), i+1, t.runs)
	values, log := r.measure(ctx, p)
	if values == nil {
		t.failed++
		fmt.Fprintf(t.progress, " failed\n%s", log)
		return nil
	}
	for k, f := range r.figures {
		fmt.Fprintf(t.progress, " %s %s;", f.name, f.unit.format(values[k]))
	}
	fmt.Fprintln(t.progress)
	if t.verbose {
		io.WriteString(t.progress, log)
	}
	return values
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
		if r.contained != nil {
			measured <- r.contained(newContainers(tb, r))
		} else {
			measured <- r.run(newPair(tb, with, r))
		}
	})
	if code != 0 {
		return nil, out.String()
	}
	return <-measured, out.String()
}
