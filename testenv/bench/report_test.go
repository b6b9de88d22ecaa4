package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example is a report of two runs each; one of keepalived's went wrong.
func example() *report {
	rep := &report{Machine: "Linux 6.1, 2 CPUs", Versions: []string{"keepalived 2", "nginx 1"}, products: products()}
	rep.add(row{name: "nginx dies", figures: []figure{
		{"outage", inSeconds, within(600*time.Millisecond, "skew + 200 ms")},
		{"failed requests", inCount, &goal{0, "none"}},
		{"until it is back", inSeconds, nil},
	}}, []column{
		{"ngha", [][]value{{{amount: 0.3}, {amount: 0}, none()}, {{amount: 0.7}, {amount: 0}, {amount: 2}}}},
		{"keepalived", [][]value{nil, {{amount: 1.5}, {amount: 12}, {15, true}}}},
	})
	rep.add(row{name: "load", paired: 1, figures: []figure{{"requests a second", inCount, nil}, {"processor", inPercent, nil}}}, []column{
		{"ngha", [][]value{{{amount: 990}, {amount: 0.5}}, nil, {{amount: 1020}, {amount: 0.4}}, {{amount: 21000}, {amount: 0.45}}}},
		{"nginx", [][]value{{{amount: 1000}, {amount: 0}}, {{amount: 1}, {amount: 0}}, {{amount: 1000}, {amount: 0}}, nil}},
	})
	return rep
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := example().writeMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	const want = `| Fault | Figure | Goal of ngha | ngha | keepalived | nginx | N |
| --- | --- | --- | --- | --- | --- | --- |
| nginx dies | outage | ≤ 600 ms: skew + 200 ms | 300 ms · **500 ms** · 700 ms | 1.50 s · **1.50 s** · 1.50 s |  | 2, 1 |
|  | failed requests | none | 0 · **0** · 0 | 12 · **12** · 12 |  | 2, 1 |
|  | until it is back |  | 2.00 s · **2.00 s** · 2.00 s | > 15.00 s · **> 15.00 s** · > 15.00 s |  | 1 |
| load | requests a second |  | 990 · **1020** · 21000 |  | 1 · **1000** · 1000 | 3 |
|  | requests a second, beside nginx |  | -1.00 % · **0.50 %** · 2.00 % |  |  | 2 |
|  | processor |  | 0.40 % · **0.45 %** · 0.50 % |  | 0.00 % · **0.00 %** · 0.00 % | 3 |

Least · **median** · greatest of N runs; ">": it had not ended when the run did.
Measured on Linux 6.1, 2 CPUs with keepalived 2, nginx 1.
Goal missed in 1 of 2 runs: nginx dies: outage.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSONHasEveryValue(t *testing.T) {
	var b strings.Builder
	if err := example().writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	limit := 0.6
	want := result{
		Fault: "nginx dies", Figure: "outage", Unit: inSeconds, Goal: &limit, GoalWhy: "skew + 200 ms",
		Products: []outcome{
			{Product: "ngha", Values: []reading{{Amount: 0.3}, {Amount: 0.7}}},
			{Product: "keepalived", Values: []reading{{Amount: 1.5}}},
		},
	}
	if diff := cmp.Diff(want, got.Results[0], cmp.AllowUnexported(outcome{}, value{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	back := got.Results[2].Products
	if diff := cmp.Diff([]reading{{Amount: 2}}, back[0].Values); diff != "" {
		t.Errorf("a value that could not be measured was written (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]reading{{Amount: 15, Open: true}}, back[1].Values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
