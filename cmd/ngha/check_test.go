package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"ngha/supervisor/control"
	"ngha/supervisor/status"
)

func TestJudge(t *testing.T) {
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
		got, well := judge(c.status)
		if got != c.want || well != c.well {
			t.Errorf("judge = %q, %t, want %q, %t", got, well, c.want, c.well)
		}
	}
}

// A frozen ngha has a socket that takes connections, and says nothing.
func TestCheckEndsWhereNobodyAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ngha.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = check(t.Context(), control.Client{Socket: socket})
	if err == nil || !strings.Contains(err.Error(), "does not answer within 2s") {
		t.Errorf("check: %v", err)
	}
}
