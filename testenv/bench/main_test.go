package main

import (
	"io"
	"slices"
	"testing"
)

func TestParseChoosesRowsAndProducts(t *testing.T) {
	all := len(rows())
	for _, c := range []struct {
		args           []string
		rows, products int // 0: an error
	}{
		{nil, all, 3},
		{[]string{"-n", "1"}, all, 3},
		{[]string{"-run", "NODE VANISHES"}, 2, 3},
		{[]string{"-run", "frozen|healed", "-only", "keepalived"}, 2, 1},
		{[]string{"-only", "ngha", "-json"}, all, 1},
		{[]string{"-only", "nginx"}, 1, 1},
		{[]string{"-only", "nginx", "-run", "frozen"}, 0, 0},
		{[]string{"-only", "haproxy"}, 0, 0},
		{[]string{"-run", "no such fault"}, 0, 0},
		{[]string{"-run", "("}, 0, 0},
		{[]string{"-n", "0"}, 0, 0},
		{[]string{"-n", "1001"}, 0, 0},
		{[]string{"-run", "busy", "-for", "10m"}, 2, 3},
		{[]string{"-for", "1ms"}, 0, 0},
		{[]string{"vanishes"}, 0, 0},
	} {
		o, err := parse(c.args, io.Discard)
		if (err != nil) != (c.rows == 0) {
			t.Errorf("%q: error %v", c.args, err)
			continue
		}
		if err == nil && (len(o.rows) != c.rows || len(o.products) != c.products) {
			t.Errorf("%q chose %d rows and %d products, want %d and %d", c.args, len(o.rows), len(o.products), c.rows, c.products)
		}
	}
}

func TestRowsCanBeToldApart(t *testing.T) {
	var names []string
	for _, r := range rows() {
		if slices.Contains(names, r.name) {
			t.Errorf("two rows are named %q", r.name)
		}
		names = append(names, r.name)
		if r.interval <= 0 || r.pace < 0 || len(r.figures) == 0 || (r.run == nil) == (r.contained == nil) {
			t.Errorf("row %q is incomplete: %+v", r.name, r)
		}
	}
}
