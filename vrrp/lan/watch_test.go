package lan

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"ngha/testenv"
)

func TestInterfaceThatComesLaterIsWaitedFor(t *testing.T) {
	lab := testenv.New(t)
	h := lab.Host("a")
	w := watch(t, h, named("eth0", vip))
	w.first("eth0", "does not exist")
	lab.Bridge("lan").Attach(h, own)
	p := w.port()
	if p.Name() != "eth0" || p.Source().String() != "198.51.100.1" {
		t.Errorf("port on %s with source %s, want eth0 with 198.51.100.1", p.Name(), p.Source())
	}
}

func TestCarrierIsFollowed(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", vip))
	w.port()
	h.Links()[0].PortDown()
	w.first("eth0", "no carrier")
	h.Links()[0].PortUp()
	w.port()
	h.Links()[0].Down()
	w.down("eth0", "is down")
	h.Links()[0].Up()
	w.port()
}

func TestInterfaceMayComeBackAsAnother(t *testing.T) {
	_, h := solo(t)
	cable := h.Links()[0]
	w := watch(t, h, named("eth0", vip))
	before := w.port()
	cable.Delete()
	w.down("eth0", "does not exist")
	cable.Create()
	after := w.port()
	if before.index == after.index {
		t.Fatalf("index %d again: the test needs another", after.index)
	}
	acquire(t, after)
}

func TestInterfaceRenamedAwayIsLost(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", vip))
	w.port()
	h.Links()[0].Rename("wan")
	w.down("eth0", "does not exist")
	h.Links()[0].Rename("eth0")
	w.port()
}

// TestContainerConnectedAgainIsFound: Docker gives the interface another name.
func TestContainerConnectedAgainIsFound(t *testing.T) {
	lab := testenv.New(t)
	h, lan := lab.Host("a"), lab.Bridge("lan")
	lan.Attach(h, own)
	w := watch(t, h, spec(vip))
	w.port()
	h.Links()[0].Delete()
	w.down("no interface")
	lan.Attach(h, "198.51.100.5/24")
	p := w.port()
	if p.Name() != "eth1" || p.Source().String() != "198.51.100.5" {
		t.Errorf("port on %s with source %s, want eth1 with 198.51.100.5", p.Name(), p.Source())
	}
}

func TestUnnamedInterfaceIsTheOnlyOneThatFits(t *testing.T) {
	lab := testenv.New(t)
	h := lab.Host("a")
	w := watch(t, h, spec(vip))
	w.first("no interface", "198.51.100.100", "name the interface")
	lab.Bridge("one").Attach(h, own)
	w.port()
	second := lab.Bridge("two").Attach(h, "198.51.100.2/24")
	w.down("eth0 (198.51.100.1/24)", "eth1 (198.51.100.2/24)", "name the interface")
	second.Delete()
	if p := w.port(); p.Name() != "eth0" {
		t.Errorf("port on %s, want eth0", p.Name())
	}
}

func TestSourceChanges(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", vip))
	w.port()

	addAddress(t, h, "eth0", "203.0.113.1/24") // the first one stays the primary
	delAddress(t, h, "eth0", own)
	w.first("198.51.100.1", "203.0.113.1")
	if p := w.port(); p.Source().String() != "203.0.113.1" {
		t.Errorf("source %s, want 203.0.113.1", p.Source())
	}
	delAddress(t, h, "eth0", "203.0.113.1/24")
	w.first("eth0", "no IPv4 address of its own")
	addAddress(t, h, "eth0", own)
	w.port()
}

func TestOwnAddressIsRefusedAsVirtual(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", "198.51.100.1/32"))
	w.first("198.51.100.1", "eth0 itself")
	delAddress(t, h, "eth0", own)
	addAddress(t, h, "eth0", "198.51.100.2/24")
	w.port()
}

// TestPortLeavingABridgeIsNotGone: the kernel says RTM_DELLINK for that, too.
func TestPortLeavingABridgeIsNotGone(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, named("eth0", vip))
	w.port()
	must(t, h, func() error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
		bridge.Name = "br0"
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(l, bridge); err != nil {
			return err
		}
		return netlink.LinkSetNoMaster(l)
	})
	h.Links()[0].PortDown()
	w.first("no carrier")
}

// TestLostNotificationsAreMadeUpFor keeps the watcher busy until the kernel has
// dropped notifications, the last ones among them.
func TestLostNotificationsAreMadeUpFor(t *testing.T) {
	_, h := solo(t)
	busy, resume := make(chan struct{}), make(chan struct{})
	blocked := false
	w := watchWith(t, h, named("eth0", vip), func(e event) {
		if e.removed && !blocked {
			blocked = true
			close(busy)
			<-resume
		}
	})
	p := w.port()
	acquire(t, p)
	h.Links()[0].Steal(vip)
	<-busy
	acquire(t, p)
	must(t, h, func() error {
		for range 100 {
			for range 50 {
				if err := errors.Join(onLink("lo", "203.0.113.1/32", netlink.AddrAdd), onLink("lo", "203.0.113.1/32", netlink.AddrDel)); err != nil {
					return err
				}
			}
			if lost, err := notificationsLost(); lost || err != nil {
				return err
			}
		}
		return errors.New("no notification was lost")
	})
	h.Links()[0].Steal(vip)
	close(resume)
	w.removed() // the first
	w.removed() // the second, of which nobody told
	h.Links()[0].PortDown()
	w.first("no carrier")
}

// notificationsLost tells whether a netlink socket of the calling thread's
// namespace has overflowed.
func notificationsLost() (bool, error) {
	f, err := os.Open("/proc/thread-self/net/netlink")
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		fields := strings.Fields(lines.Text())
		if len(fields) > 8 && fields[8] != "Drops" && fields[8] != "0" {
			return true, nil
		}
	}
	return false, lines.Err()
}

func TestNetworkLeavesNothingBehind(t *testing.T) {
	lab, h := solo(t)
	before := runtime.NumGoroutine()
	w := watch(t, h, spec(vip))
	p := w.port()
	acquire(t, p)
	h.Links()[0].PortDown()
	w.first("no carrier")
	if err := w.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := p.Release(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	lab.Await("goroutines to end", limit, func() error {
		if n := runtime.NumGoroutine(); n > before {
			return fmt.Errorf("%d goroutines, %d before", n, before)
		}
		return nil
	})
}

func TestWatchRefusesWhatNoInterfaceCanMend(t *testing.T) {
	good := spec(vip)
	for name, change := range map[string]func(*Spec){
		"no VRID":      func(s *Spec) { s.VRID = 0 },
		"no address":   func(s *Spec) { s.Addrs = nil },
		"zero address": func(s *Spec) { s.Addrs = []netip.Prefix{{}} },
		"IPv4 in IPv6": func(s *Spec) { s.Addrs = []netip.Prefix{netip.MustParsePrefix("::ffff:198.51.100.1/128")} },
	} {
		s := good
		change(&s)
		if _, err := NewNetwork(nil).Watch(s, Sink{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestUnsteadyLinkIsTold loses the link as often as it takes: the loss itself is
// told at once each time, and so is the Port.
func TestUnsteadyLinkIsTold(t *testing.T) {
	_, h := solo(t)
	n := NewNetwork(nil)
	w := &watched{t: t, events: make(chan event, 1000), network: n}
	steady := make(chan time.Time, 1000)
	unwatch, err := n.Watch(spec(vip), Sink{
		Up:     func(p *Port) { w.events <- event{up: p} },
		Down:   func(reason error) { w.events <- event{down: reason} },
		Steady: func(from time.Time) { steady <- from },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unwatch)
	w.run(h)
	w.port()
	flap := func() {
		t.Helper()
		h.Links()[0].PortDown()
		w.first("no carrier")
		h.Links()[0].PortUp()
		w.port()
	}
	flap()
	if len(steady) > 0 {
		t.Errorf("lost once, and to be relied on from %v", <-steady)
	}
	flap()
	if from := next(t, steady); !from.After(time.Now().Add(-limit)) {
		t.Errorf("lost twice, and to be relied on from %v", from)
	}
	if from := next(t, steady); !from.IsZero() {
		t.Errorf("told %v, want that it is to be relied on again", from)
	}
}
