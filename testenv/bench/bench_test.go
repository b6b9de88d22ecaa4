package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"ngha/testenv"
)

// One real run of each product, the quickest there is: whatever it measures,
// it measures something.
func TestBenchMeasuresBothProducts(t *testing.T) {
	testenv.New(t) // skips where there can be none
	for _, name := range []string{"nginx", "keepalived", "curl"} {
		testenv.RequireBinary(t, name)
	}
	o, err := parse([]string{"-n", "1", "-json", "-run", "vanishes, interval 10 ms"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, progress strings.Builder
	if err := o.bench(t.Context(), &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	var got report
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 1 || len(got.Results[0].Products) != len(o.of(o.rows[0])) {
		t.Fatalf("there is not one figure for each product:\n%s", &out)
	}
	for _, p := range got.Results[0].Products {
		if len(p.Values) != 1 || p.Values[0].Open {
			t.Errorf("%s: %+v, want one outage that ended\n%s", p.Product, p.Values, &progress)
		}
	}
}
