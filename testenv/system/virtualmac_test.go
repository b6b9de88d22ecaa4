package system_test

import (
	"fmt"
	"net"
	"os"
	"strings"

	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// A network whose switches let no announcement through: a client never hears
// that an address has moved, and need not.
func TestVirtualMACMovesWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	t.Run("IPv4", func(t *testing.T) { virtualMACMoves(t, vip, "00:00:5e:00:01:33") })
	t.Run("IPv6", func(t *testing.T) { virtualMACMoves(t, vip6, "00:00:5e:00:02:33") })
}

func virtualMACMoves(t *testing.T, vip, virtualMAC string) {
	t.Parallel()
	lab := testenv.New(t)
	lan := lab.Bridge("lan")
	client := lab.Host("client")
	lan.Attach(client, "198.51.100.9/24", "2001:db8::9/64")
	lan.FilterAnnouncements(vip)
	capture := lan.Capture()
	var nodes [2]*testenv.Node
	for i := range nodes {
		h := lab.Host([]string{"a", "b"}[i])
		lan.Attach(h, fmt.Sprintf("198.51.100.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1))
		nodes[i] = lab.StartNode(h, testenv.Node{
			VRID: vrid, VIPs: []string{vip}, Interval: fast, Priority: 200 - 50*i, UnderInit: true,
			Router: "virtual_mac: true", RealTime: true,
		})
		nodes[i].AwaitHealth("healthy")
		nodes[0].AwaitState("active")
	}
	a, b := nodes[0], nodes[1]
	b.AwaitState("backup")
	served := func(n *testenv.Node) {
		t.Helper()
		lab.Await("served by "+n.Host().Name(), limit, func() error { return asks(client, vip, n.Host().Name()) })
		if mac := client.Neighbor(vip).String(); mac != virtualMAC {
			t.Fatalf("the client found %s at %s, want %s", vip, mac, virtualMAC)
		}
	}
	served(a)
	capture.Await("an advertisement from the virtual MAC address", limit, testenv.IsAdvert(vrid), func(f testenv.Frame) bool {
		return f.Src.String() == virtualMAC
	})

	t.Log("a is killed, and what it leaves in the kernel stays") // but for the address
	a.Kill()
	served(b)
	a.Host().AwaitGone(vip)
	a.Start()
	a.AwaitState("active")
	b.AwaitState("backup")
	served(a)

	t.Log("a and b do not hear each other, both are active, and then they do")
	lan.CutBoth(a.Host(), b.Host())
	b.AwaitState("active")
	lan.Heal()
	lan.FilterAnnouncements(vip)
	b.AwaitState("backup")
	a.AwaitState("active")
	served(a)

	t.Log("a loses power")
	a.Host().PowerOff()
	served(b)
	a.Host().PowerOn()
	a.Start()
	a.AwaitState("active")
	served(a)

	t.Log("somebody deletes the interface")
	onVirtual(t, a, virtualMAC, netlink.LinkDel)
	lab.Await("a to be active with a new one", limit, func() error {
		if holds, err := a.Host().Holds(vip); err != nil || !holds {
			return fmt.Errorf("it does not hold %s: %v", vip, err)
		}
		return nil
	})
	served(a)

	t.Log("a ends in order")
	a.Process().Signal(unix.SIGTERM)
	a.Process().AwaitExit()
	served(b)
	if left := withMAC(t, a, virtualMAC); left != nil {
		t.Errorf("%s is still there", left.Attrs().Name)
	}
	if err := a.Host().Do(func() error {
		ignore, err := os.ReadFile("/proc/sys/net/ipv4/conf/eth0/arp_ignore")
		if strings.TrimSpace(string(ignore)) != "0" {
			t.Errorf("arp_ignore of eth0 is %s, want 0 as before", ignore)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// withMAC is the interface with a MAC address; nil: there is none.
func withMAC(t *testing.T, n *testenv.Node, mac string) (found netlink.Link) {
	t.Helper()
	if err := n.Host().Do(func() error {
		all, err := netlink.LinkList()
		for _, l := range all {
			if l.Attrs().HardwareAddr.String() == mac {
				found = l
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// onVirtual does something to the interface with the virtual MAC address.
func onVirtual(t *testing.T, n *testenv.Node, mac string, do func(netlink.Link) error) {
	t.Helper()
	l := withMAC(t, n, mac)
	if l == nil || l.Attrs().Flags&net.FlagUp == 0 {
		t.Fatalf("%s has no interface that is up with %s", n.Host(), mac)
	}
	if err := n.Host().Do(func() error { return do(l) }); err != nil {
		t.Fatal(err)
	}
}
