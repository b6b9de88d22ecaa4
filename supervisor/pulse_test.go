package supervisor

import (
	"testing"
	"time"

	"ngha/supervisor/config"
	"ngha/vrrp"
)

func TestVirtualRoutersAdvertiseInCompanies(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		routers   int
		interval  time.Duration
		companies int
	}{
		{2, time.Second, 1}, {32, time.Second, 1}, {33, time.Second, 2}, {255, 100 * time.Millisecond, 8},
		{16, 10 * time.Millisecond, 1}, {17, 10 * time.Millisecond, 2}, {255, 10 * time.Millisecond, 16},
	} {
		vs := make([]config.VirtualRouter, c.routers)
		for i := range vs {
			vs[i].VRRP = vrrp.Config{Interval: c.interval}
		}
		size := make(map[time.Duration]int)
		for _, v := range pulsed(vs, start) {
			offset := v.VRRP.Pulse.Sub(start)
			size[offset]++
			if offset < 0 || offset >= c.interval {
				t.Errorf("%d virtual routers: a pulse at %v", c.routers, offset)
			}
		}
		if len(size) != c.companies {
			t.Errorf("%d virtual routers advertise at %v, want %d moments", c.routers, size, c.companies)
		}
		for at, n := range size {
			if n > company(c.interval) {
				t.Errorf("%d virtual routers: %d of them at %v", c.routers, n, at)
			}
		}
		if !vs[0].VRRP.Pulse.IsZero() {
			t.Error("what was configured was changed")
		}
	}
	if v := pulsed(make([]config.VirtualRouter, 1), start)[0]; !v.VRRP.Pulse.IsZero() {
		t.Error("one virtual router alone has a pulse")
	}
}
