package supervisor

import (
	"slices"
	"time"

	"ngha/supervisor/config"
)

// company is how many virtual routers advertise at the same moment, so that one
// waking of the processor serves them all. With more of them the last would be
// late.
const company = 16

// pulsed returns virtual routers as configured, each with the moment at which it
// advertises. Several companies are spread over the interval.
func pulsed(vs []config.VirtualRouter, start time.Time) []config.VirtualRouter {
	if len(vs) < 2 {
		return vs
	}
	list := slices.Clone(vs)
	companies := (len(vs) + company - 1) / company
	for i := range list {
		c := &list[i].VRRP
		c.Pulse = start.Add(c.Interval * time.Duration(i%companies) / time.Duration(companies))
	}
	return list
}
