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

// add adds what the runs of one row measured: for each product a list of runs,
// each with a value for every figure.
func (r *report) add(of row, runs [][][]value) {
	for i, f := range of.figures {
		res := result{Fault: of.name, Figure: f.name, Unit: f.unit}
		if f.goal != nil {
			res.Goal, res.GoalWhy = &f.goal.limit, f.goal.why
		}
		for p, product := range r.products {
			o := outcome{Product: product.name(), Values: []reading{}}
			for _, values := range runs[p] {
				v := values[i]
				o.values = append(o.values, v)
				if !v.missing() {
					o.Values = append(o.Values, reading{v.amount, v.open})
				}
			}
			res.Products = append(res.Products, o)
		}
		r.Results = append(r.Results, res)
	}
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
		for _, o := range res.Products {
			s := summarize(o.values)
			fmt.Fprintf(&b, " %s |", res.Unit.formatSummary(s))
			if n := fmt.Sprint(s.N); len(runs) == 0 || runs[0] != n {
				runs = append(runs, n)
			}
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
