package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// value is what one run measured.
type value struct {
	amount float64 // in its figure's unit
	open   bool    // at least so much: it had not ended when the run did
}

func seconds(d time.Duration) value { return value{amount: d.Seconds()} }

func count(n int) value { return value{amount: float64(n)} }

// none is a value that could not be measured: what it counts from never
// happened.
func none() value { return value{amount: math.NaN()} }

func (v value) missing() bool { return math.IsNaN(v.amount) }

// summary says how a figure came out over several runs. Half a run's noise is
// the machine's, so the median is the figure to compare.
type summary struct {
	N                int
	Min, Median, Max value
}

// summarize leaves missing values out. An open value counts as greater than
// every other one: how much greater, nobody waited for.
func summarize(values []value) summary {
	sorted := slices.DeleteFunc(slices.Clone(values), value.missing)
	if len(sorted) == 0 {
		return summary{}
	}
	slices.SortFunc(sorted, func(a, b value) int {
		switch {
		case a.open != b.open && a.open:
			return 1
		case a.open != b.open:
			return -1
		case a.amount < b.amount:
			return -1
		case a.amount > b.amount:
			return 1
		}
		return 0
	})
	n := len(sorted)
	s := summary{N: n, Min: sorted[0], Max: sorted[n-1], Median: sorted[n/2]}
	if below := sorted[(n-1)/2]; n%2 == 0 && !s.Median.open {
		s.Median.amount = (below.amount + s.Median.amount) / 2
	}
	return s
}

// unit is what a figure counts.
type unit string

const (
	inSeconds unit = "s"
	inCount   unit = "count"
	inPercent unit = "percent"
	inMiB     unit = "MiB"
	inKiB     unit = "KiB"
	inMicros  unit = "µs"
)

// format writes a value as a person reads it: 41 ms, 3.41 s, 0.35 %, or a count.
func (u unit) format(v value) string {
	var s string
	switch {
	case v.missing():
		return "none"
	case u == inPercent:
		s = fmt.Sprintf("%.2f %%", v.amount)
	case u == inMiB || u == inKiB || u == inMicros:
		s = fmt.Sprintf("%.1f %s", v.amount, u)
	case u == inCount && v.amount >= 1000:
		s = fmt.Sprintf("%.0f", v.amount)
	case u == inCount:
		s = fmt.Sprintf("%.4g", v.amount)
	case v.amount < 0.01:
		s = fmt.Sprintf("%.1f ms", v.amount*1000)
	case v.amount < 1:
		s = fmt.Sprintf("%.0f ms", v.amount*1000)
	default:
		s = fmt.Sprintf("%.2f s", v.amount)
	}
	if v.open {
		s = "> " + s
	}
	return s
}

// formatSummary writes the least, the middle and the greatest value.
func (u unit) formatSummary(s summary) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%s · **%s** · %s", u.format(s.Min), u.format(s.Median), u.format(s.Max))
}
