package main

import (
	"slices"
	"time"
)

// row is one kind of harm and the figures that tell what became of it.
type row struct {
	name     string
	interval time.Duration // Advertisement_Interval of both nodes
	pace     time.Duration // of the client: a new connection so often; 0: run sees to that
	figures  []figure
	// run does the harm to a pair that serves, and returns one value for each
	// figure, in their order.
	run func(*pair) []value
	// contained is run for a pair of containers, which ngha alone is measured in.
	contained func(*containers) []value

	products []product     // who is measured; nil: ngha and keepalived
	single   bool          // there is no second node
	first    bool          // ngha is process 1 of its host, and nginx ends with it
	routers  int           // so many virtual routers that watch no nginx where they need not; 0: one
	config   string        // more of ngha's configuration
	global   string        // more of keepalived's, in global_defs
	lasts    time.Duration // how long it is looked at, where that is for -for to say; 0: run knows
	paired   int           // so many of the figures are also compared run by run: ngha's with the other's
}

// products lists all there are.
func products() []product { return []product{ngha{}, keepalived{}, nginx{}} }

// measures reports whether the row says something of p.
func (r row) measures(p product) bool {
	if r.products == nil {
		return p == product(ngha{}) || p == product(keepalived{})
	}
	return slices.Contains(r.products, p)
}

// harm is a row whose client makes new connections.
func harm(name string, interval, pace time.Duration, figures []figure, run func(*pair) []value) row {
	return row{name: name, interval: interval, pace: pace, figures: figures, run: run}
}

// figure is one thing that a row measures.
type figure struct {
	name string
	unit unit
	goal *goal // nil: there is none
}

// goal is what ngha promises. It is printed and compared, and fails nothing.
type goal struct {
	limit float64 // in the figure's unit; not to be exceeded
	why   string
}

func within(limit time.Duration, why string) *goal { return &goal{limit.Seconds(), why} }

// Priorities of the two nodes. The first holds the address when the harm is
// done; the second one's decides how long it waits (RFC 9568 section 6.1).
const (
	firstPriority  = 200
	secondPriority = 150
)

// skew is the second node's Skew_Time.
func skew(interval time.Duration) time.Duration {
	return (256 - secondPriority) * interval / 256
}

// slack is what the goals allow for the work between two timers.
const slack = 200 * time.Millisecond

// rows lists everything there is to measure.
func rows() []row {
	const (
		second = time.Second
		tenth  = 100 * time.Millisecond
		tiny   = 10 * time.Millisecond
		coarse = 5 * time.Millisecond
		fine   = 2 * time.Millisecond
	)
	outage := func(g *goal) figure { return figure{"outage", inSeconds, g} }
	down := 3*second + skew(second)
	stale := 4*second - down // the lease's worst case against the successor's wait
	twoAnswer := figure{"two nodes answer ARP for", inSeconds, within(stale, "lease + 1 s − (3 × 1 s + skew)")}
	return append([]row{
		harm("node vanishes, interval 1 s", second, coarse,
			[]figure{outage(within(down+slack, "3 × 1 s + skew + 200 ms"))}, vanish),
		harm("node vanishes, interval 10 ms", tiny, fine,
			[]figure{outage(within(tenth, "100 ms"))}, vanish),
		harm("link of the node unplugged, interval 1 s", second, coarse,
			[]figure{outage(within(down+slack, "3 × 1 s + skew + 200 ms"))}, unplug),
		harm("nginx dies beyond repair, interval 1 s", second, coarse,
			[]figure{
				{"from Priority 0 to served", inSeconds, within(skew(second)+slack, "skew + 200 ms")},
				{"from the fault to served", inSeconds, nil},
			}, beyondRepair),
		harm("nginx frozen, interval 100 ms", tenth, coarse,
			[]figure{outage(within(1300*time.Millisecond, "1.3 s"))}, freezeNginx),
		harm("daemon terminated, nginx healthy, interval 1 s", second, fine,
			[]figure{
				{"failed new connections", inCount, &goal{0, "none"}},
				{"open connections cut", inCount, nil},
				outage(nil),
			}, terminate),
		harm("daemon killed (SIGKILL), nginx lives on, interval 1 s", second, coarse,
			[]figure{outage(nil), twoAnswer}, killDaemon),
		harm("daemon stopped (SIGSTOP), nginx lives on, interval 1 s", second, coarse,
			[]figure{outage(nil), twoAnswer}, stopDaemon),
		harm("partition healed, interval 1 s", second, coarse,
			[]figure{
				{"until one holder", inSeconds, nil},
				{"until the client's ARP entry is right", inSeconds, nil},
				outage(nil),
			}, healPartition),
	}, slices.Concat(loadRows(), soakRows(), manyRows(), containerRows())...)
}
