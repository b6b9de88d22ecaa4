package main

import (
	"io"
	"strings"
	"testing"

	"ngha/testenv"
)

// One real run of each product, the quickest there is: whatever it measures,
// it measures something.
func TestBenchMeasuresBothProducts(t *testing.T) {
	testenv.New(t) // skips where there can be none
	testenv.RequireBinary(t, "nginx")
	testenv.RequireBinary(t, "keepalived")
	testenv.RequireBinary(t, "curl")
	o, err := parse([]string{"-n", "1", "-run", "vanishes, interval 10 ms"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, progress strings.Builder
	if err := o.bench(t.Context(), &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for _, r := range o.rows {
		for _, p := range o.products {
			values, log := r.measure(t.Context(), p)
			if len(values) != len(r.figures) {
				t.Fatalf("%s: %s: %d values for %d figures\n%s", p.name(), r.name, len(values), len(r.figures), log)
			}
			for i, f := range r.figures {
				if v := values[i]; v.missing() || v.open {
					t.Errorf("%s: %s: %s is %+v\n%s", p.name(), r.name, f.name, v, log)
				}
			}
		}
	}
	if !strings.Contains(out.String(), "| node vanishes, interval 10 ms | outage |") {
		t.Errorf("the table is\n%s", &out)
	}
}
