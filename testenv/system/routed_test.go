package system_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"ngha/testenv"
)

// Peers on two networks with a router between them: what arrives has a TTL of
// 254, which is refused unless it is allowed.
func TestPeersBehindARouter(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	router := lab.Host("router")
	networks := [2]string{"198.51.100", "203.0.113"}
	var hosts [2]*testenv.Host
	var captures [2]*testenv.Capture
	for i, network := range networks {
		lan := lab.Bridge([]string{"west", "east"}[i])
		hosts[i] = lab.Host([]string{"a", "b"}[i])
		lan.Attach(hosts[i], network+".1/24")
		lan.Attach(router, network+".254/24")
		captures[i] = lan.Capture()
		routeBy(t, hosts[i], network+".254")
	}
	if err := router.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }); err != nil {
		t.Fatal(err)
	}
	start := func(i int, router string) *testenv.Node {
		t.Helper()
		n := lab.StartNode(hosts[i], testenv.Node{
			VRID: vrid, VIPs: []string{vip}, Interface: "eth0", Interval: fast, Priority: 200 - 50*i,
			Peers: []string{networks[1-i] + ".1"}, Router: router, RealTime: true,
		})
		n.AwaitHealth("healthy")
		return n
	}

	a := start(0, "allow_routed: true")
	a.AwaitState("active")
	strict := start(1, "")
	strict.AwaitState("active")
	strict.AwaitStatus("aware of the router", func(s testenv.Status) error {
		for _, alarm := range s.VirtualRouters[0].Alarms {
			if alarm.Name == "ttl" && alarm.Sender.String() == networks[0]+".1" {
				return nil
			}
		}
		return errors.New("it is not")
	})
	a.AwaitState("active") // which hears b, and is better
	strict.Kill()

	b := start(1, "allow_routed: true")
	b.AwaitState("backup")
	captures[1].Await("ten more advertisements of a", limit, testenv.IsAdvert(vrid), testenv.After(time.Now().Add(10*fast)))
	b.AwaitState("backup")
	a.Host().PowerOff()
	b.AwaitState("active")
}

// routeBy gives a host a default route.
func routeBy(t *testing.T, h *testenv.Host, gateway string) {
	t.Helper()
	err := h.Do(func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(gateway)})
	})
	if err != nil {
		t.Fatalf("route of %s by %s: %v", h, gateway, err)
	}
}
