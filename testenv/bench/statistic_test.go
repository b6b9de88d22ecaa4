package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummarize(t *testing.T) {
	closed := func(amounts ...float64) (values []value) {
		for _, a := range amounts {
			values = append(values, value{amount: a})
		}
		return values
	}
	for _, c := range []struct {
		name   string
		values []value
		want   summary
	}{
		{"nothing", nil, summary{}},
		{"nothing but what could not be measured", []value{none()}, summary{}},
		{"one", closed(3), summary{1, value{amount: 3}, value{amount: 3}, value{amount: 3}}},
		{"odd", closed(9, 1, 2), summary{3, value{amount: 1}, value{amount: 2}, value{amount: 9}}},
		{"even", closed(4, 9, 1, 2), summary{4, value{amount: 1}, value{amount: 3}, value{amount: 9}}},
		{"missing left out", append(closed(9, 1, 2), none()), summary{3, value{amount: 1}, value{amount: 2}, value{amount: 9}}},
		{
			"open is greater than any other",
			append([]value{{6, true}}, closed(7, 8)...),
			summary{3, value{amount: 7}, value{amount: 8}, value{6, true}},
		},
		{
			"a median of two, one of them open, is open",
			append([]value{{6, true}}, closed(2)...),
			summary{2, value{amount: 2}, value{6, true}, value{6, true}},
		},
		{
			"all open",
			[]value{{6, true}, {8, true}, {7, true}},
			summary{3, value{6, true}, value{7, true}, value{8, true}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := append([]value(nil), c.values...)
			if diff := cmp.Diff(c.want, summarize(c.values), cmp.AllowUnexported(value{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, c.values, cmp.AllowUnexported(value{}), cmp.Comparer(sameFloat)); diff != "" {
				t.Errorf("the values were changed (-want +got):\n%s", diff)
			}
		})
	}
}

// sameFloat takes one NaN for another.
func sameFloat(a, b float64) bool { return a == b || a != a && b != b }

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit  unit
		value value
		want  string
	}{
		{inSeconds, value{amount: 0}, "0.0 ms"},
		{inSeconds, value{amount: 0.0063}, "6.3 ms"},
		{inSeconds, value{amount: 0.414}, "414 ms"},
		{inSeconds, value{amount: 3.4142}, "3.41 s"},
		{inSeconds, value{6.006, true}, "> 6.01 s"},
		{inSeconds, none(), "none"},
		{inCount, value{amount: 0}, "0"},
		{inCount, value{amount: 2.5}, "2.5"},
		{inCount, value{amount: 1234}, "1234"},
		{inCount, value{amount: 23456.7}, "23457"},
		{inPercent, value{amount: -0.347}, "-0.35 %"},
		{inMiB, value{amount: 14.06}, "14.1 MiB"},
	} {
		if got := c.unit.format(c.value); got != c.want {
			t.Errorf("%v %v is written %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}
