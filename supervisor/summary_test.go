package supervisor_test

import (
	"testing"

	"ngha/supervisor"
	"ngha/supervisor/status"
)

func TestSummary(t *testing.T) {
	node := func(health string, routers ...string) status.Status {
		s := status.Status{Health: status.Health{State: health, Reason: "so it is"}}
		for i := 0; i < len(routers); i += 2 {
			s.VirtualRouters = append(s.VirtualRouters, status.VirtualRouter{Name: routers[i], State: routers[i+1], Reason: "why"})
		}
		return s
	}
	for _, c := range []struct {
		status status.Status
		want   string
		well   bool
	}{
		{node("healthy"), "healthy: so it is", true},
		{node("healthy", "web", "active", "api", "backup"), "healthy: so it is; web is active; api stands by", true},
		{node("repairing", "web", "active"), "repairing: so it is; web is active", true},
		{node("starting", "web", "initialize"), "starting: so it is; web takes no part: why", false},
		{node("starting"), "starting: so it is", false},
		{node("ill", "web", "active"), "ill: so it is; web is active", false}, // at last resort
		{node("healthy", "web", "backup", "api", "initialize"), "healthy: so it is; web stands by; api takes no part: why", false},
	} {
		got, well := supervisor.Summary(c.status)
		if got != c.want || well != c.well {
			t.Errorf("Summary = %q, %t, want %q, %t", got, well, c.want, c.well)
		}
	}
}
