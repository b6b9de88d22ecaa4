package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// result is one figure of one row, for every product that was measured.
type result struct {
	Fault    string    `json:"fault"`
	Figure   string    `json:"figure"`
	Unit     unit      `json:"unit"`
	Goal     *float64  `json:"goal,omitempty"` // in Unit, for ngha
	GoalWhy  string    `json:"goal_why,omitempty"`
	Products []outcome `json:"products"`
}

// outcome is what one product made of it.
type outcome struct {
	Product string    `json:"product"`
	Values  []reading `json:"values"` // in the order of the runs
	values  []value
}

// reading is a value as JSON has it.
type reading struct {
	Amount float64 `json:"amount"`
	Open   bool    `json:"open,omitempty"` // at least so much
}

// report is everything a benchmark has found out.
type report struct {
	Machine    string   `json:"machine"`
	Versions   []string `json:"versions"`
	Keepalived string   `json:"keepalived_configuration,omitempty"`
	Results    []result `json:"results"`
	products   []product
}

// column is one product's runs of a row: a value for every figure, or nothing
// for a run that went wrong.
type column struct {
	product string
	runs    [][]value
}

// figure lists the values of one figure, the runs that went wrong left out.
func (c column) figure(i int) []value {
	var values []value
	for _, run := range c.runs {
		if run != nil {
			values = append(values, run[i])
		}
	}
	return values
}

// add adds what the runs of one row measured.
func (r *report) add(of row, columns []column) {
	for i, f := range of.figures {
		res := result{Fault: of.name, Figure: f.name, Unit: f.unit}
		if f.goal != nil {
			res.Goal, res.GoalWhy = &f.goal.limit, f.goal.why
		}
		for _, c := range columns {
			res.Products = append(res.Products, newOutcome(c.product, c.figure(i)))
		}
		r.Results = append(r.Results, res)
		if i < of.paired && len(columns) == 2 {
			r.Results = append(r.Results, result{
				Fault: of.name, Figure: f.name + ", beside " + columns[1].product, Unit: inPercent,
				Products: []outcome{newOutcome(columns[0].product, differences(columns[0], columns[1], i))},
			})
		}
	}
}

func newOutcome(product string, values []value) outcome {
	o := outcome{Product: product, Values: []reading{}, values: values}
	for _, v := range values {
		if !v.missing() {
			o.Values = append(o.Values, reading{v.amount, v.open})
		}
	}
	return o
}

// differences are how much more the one had than the other in each pair of runs,
// in percent: what else the machine did met both alike.
func differences(one, other column, figure int) []value {
	var values []value
	for i := range min(len(one.runs), len(other.runs)) {
		if one.runs[i] == nil || other.runs[i] == nil {
			continue
		}
		a, b := one.runs[i][figure], other.runs[i][figure]
		values = append(values, value{100 * (a.amount/b.amount - 1), a.open || b.open})
	}
	return values
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeMarkdown writes a table to be pasted, what it was measured with, and
// where ngha missed its goals.
func (r *report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| Fault | Figure | Goal of ngha |")
	rule := "| --- | --- | --- |"
	for _, p := range r.products {
		fmt.Fprintf(&b, " %s |", p.name())
		rule += " --- |"
	}
	fmt.Fprintf(&b, " N |\n%s --- |\n", rule)
	last := ""
	for _, res := range r.Results {
		fault := res.Fault
		if fault == last {
			fault = ""
		}
		last = res.Fault
		fmt.Fprintf(&b, "| %s | %s | %s |", fault, res.Figure, res.goal())
		var runs []string
		for _, p := range r.products {
			cell := "" // of a product that the row does not measure
			for _, o := range res.Products {
				if o.Product != p.name() {
					continue
				}
				s := summarize(o.values)
				cell = res.Unit.formatSummary(s)
				if n := fmt.Sprint(s.N); len(runs) == 0 || runs[0] != n {
					runs = append(runs, n)
				}
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		fmt.Fprintf(&b, " %s |\n", strings.Join(runs, ", "))
	}
	b.WriteString("\nLeast · **median** · greatest of N runs; \">\": it had not ended when the run did.\n")
	fmt.Fprintf(&b, "Measured on %s with %s.\n", r.Machine, strings.Join(r.Versions, ", "))
	for _, res := range r.Results {
		b.WriteString(res.missedGoals())
	}
	if r.Keepalived != "" {
		fmt.Fprintf(&b, "\nkeepalived's configuration, in which only priority and interval vary:\n\n```\n%s```\n", r.Keepalived)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r result) goal() string {
	switch {
	case r.Goal == nil:
		return ""
	case r.Unit == inCount:
		return r.GoalWhy
	}
	limit := r.Unit.format(value{amount: *r.Goal})
	if limit == r.GoalWhy {
		return "≤ " + limit
	}
	return fmt.Sprintf("≤ %s: %s", limit, r.GoalWhy)
}

// missedGoals says how many of ngha's runs missed the goal, "" for none.
func (r result) missedGoals() string {
	if r.Goal == nil {
		return ""
	}
	for _, o := range r.Products {
		missed := 0
		for _, v := range o.values {
			if v.amount > *r.Goal {
				missed++
			}
		}
		if o.Product == (ngha{}).name() && missed > 0 {
			return fmt.Sprintf("Goal missed in %d of %d runs: %s: %s.\n", missed, len(o.values), r.Fault, r.Figure)
		}
	}
	return ""
}
