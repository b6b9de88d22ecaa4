package supervisor

import (
	"slices"
	"time"

	"ngha/supervisor/config"
)

// company is how many virtual routers advertise at the same moment, so that one
// waking of the processor serves them all, here and at the other nodes. With more
// of them the last would be late: each takes about 50 µs.
func company(interval time.Duration) int {
	if interval < 100*time.Millisecond {
		return 16
	}
	return 32
}

// pulsed returns virtual routers as configured, each with the moment at which it
// advertises. Several companies are spread over the interval.
func pulsed(vs []config.VirtualRouter, start time.Time) []config.VirtualRouter {
	if len(vs) < 2 {
		return vs
	}
	list := slices.Clone(vs)
	for i := range list {
		c := &list[i].VRRP
		companies := (len(vs) + company(c.Interval) - 1) / company(c.Interval)
		c.Pulse = start.Add(c.Interval * time.Duration(i%companies) / time.Duration(companies))
	}
	return list
}
