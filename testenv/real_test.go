package testenv

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLabUnderstandsNgha runs a real node, for what the lab must know of it: its
// flags, its configuration, its status, its end.
func TestLabUnderstandsNgha(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a := lab.Host("a")
	link := lan.Attach(a, "198.51.100.1/24")
	capture := lan.Capture()
	n := lab.StartNode(a, Node{VRID: 7, Priority: 200, VIPs: []string{"198.51.100.100"}, Interval: time.Second})
	s := n.AwaitState("active")
	n.AwaitHealth("healthy")
	n.AwaitHolds("198.51.100.100")
	if want := netip.MustParsePrefix("198.51.100.100/32"); len(s.VirtualRouters) != 1 || s.VirtualRouters[0].VRID != 7 ||
		s.VirtualRouters[0].Priority != 200 || len(s.VirtualRouters[0].Addresses) != 1 || s.VirtualRouters[0].Addresses[0] != want {
		t.Errorf("virtual routers are %+v", s.VirtualRouters)
	}
	if s.Node != "a" || s.Nginx.PID == 0 || s.Nginx.Generation != 1 {
		t.Errorf("status is %+v", s)
	}
	capture.Await("an advertisement", awaitLimit, IsAdvert(7), WithPriority(200), From(link))
	eventually(t, "ngha status to tell that it is active", func() error { // it may have woken late
		out, err := n.CLI("status")
		if err == nil && !strings.Contains(out, "active (master)") {
			err = errors.New(out)
		}
		return err
	})
	eventually(t, "nginx's processes", func() error {
		if m, w := n.NginxMaster(), n.NginxWorkers(); len(m) != 1 || len(w) != 2 {
			return fmt.Errorf("masters %v, workers %v", m, w)
		}
		return nil
	})
	n.Process().Signal(unix.SIGTERM)
	if state := n.Process().AwaitExit(); state.ExitCode() != 0 {
		t.Errorf("ngha ended with %v", state)
	}
	n.AwaitGone("198.51.100.100")
	capture.Await("a release", awaitLimit, IsAdvert(7), WithPriority(0), From(link))
}
