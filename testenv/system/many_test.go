package system_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// crowd is two nodes, a the better one, with as many virtual routers as there can
// be on one network, and some more of the same numbers on another one.
type crowd struct {
	*testing.T
	lab     *testenv.Lab
	clients []*testenv.Host // one on each network
	capture []*testenv.Capture
	links   [2][]*testenv.Link // by node and network
	nodes   [2]*testenv.Node
	sizes   []int // how many virtual routers there are on each network
}

// crowdAddress is the address of a virtual router.
func crowdAddress(network, vrid int) string { return fmt.Sprintf("198.%d.0.%d", 18+network, vrid) }

// newCrowd starts both nodes with so many virtual routers on each network, which
// have these settings beside.
func newCrowd(t *testing.T, settings string, sizes ...int) *crowd {
	t.Helper()
	c := &crowd{T: t, lab: testenv.New(t), sizes: sizes}
	hosts := [2]*testenv.Host{c.lab.Host("a"), c.lab.Host("b")}
	for i := range sizes {
		lan := c.lab.Bridge(fmt.Sprintf("lan%d", i))
		client := c.lab.Host(fmt.Sprintf("client%d", i))
		c.clients = append(c.clients, client)
		lan.Attach(client, fmt.Sprintf("198.%d.1.9/16", 18+i))
		for n, h := range hosts {
			c.links[n] = append(c.links[n], lan.Attach(h, fmt.Sprintf("198.%d.1.%d/16", 18+i, n+1)))
		}
		c.capture = append(c.capture, lan.Capture())
	}
	for n, h := range hosts {
		var routers strings.Builder
		for i, size := range sizes {
			for vrid := 1; vrid <= size; vrid++ {
				fmt.Fprintf(&routers, "  - {name: r%d-%d, vrid: %[2]d, interface: eth%[1]d, addresses: [%[3]s], priority: %[4]d%[5]s}\n",
					i, vrid, crowdAddress(i, vrid), 200-50*n, settings)
			}
		}
		c.nodes[n] = c.lab.StartNode(h, testenv.Node{RealTime: true, Config: unhurried + "virtual_routers:\n" + routers.String()})
		c.nodes[n].AwaitHealth("healthy")
	}
	return c
}

// on waits until node n has every address, and only it where the other one runs.
func (c *crowd) on(n int, other bool) {
	c.Helper()
	c.nodes[n].AwaitState("active")
	if other {
		c.nodes[1-n].AwaitState("backup")
	}
	for m, node := range c.nodes {
		want := m == n
		if !want && !other {
			continue
		}
		c.lab.Await(fmt.Sprintf("%s to have all addresses: %v", node.Host(), want), limit, func() error {
			have, err := node.Host().Addresses()
			if err != nil {
				return err
			}
			for i, size := range c.sizes {
				for vrid := 1; vrid <= size; vrid++ {
					a := netip.PrefixFrom(netip.MustParseAddr(crowdAddress(i, vrid)), 32)
					if slices.Contains(have, a) != want {
						return fmt.Errorf("%v: %v", a, !want)
					}
				}
			}
			return nil
		})
	}
	for i, size := range c.sizes {
		for _, vrid := range []int{1, size/2 + 1, size} {
			c.lab.Await(fmt.Sprintf("VRID %d of network %d to be served", vrid, i), limit, func() error {
				return asks(c.clients[i], crowdAddress(i, vrid), c.nodes[n].Host().Name())
			})
		}
	}
}

// claims returns how long after an instant node n first advertised the last one
// of the virtual routers.
func (c *crowd) claims(n int, since time.Time) (latest time.Duration) {
	c.Helper()
	for i, size := range c.sizes {
		first := make(map[int]time.Time)
		for _, f := range c.capture[i].Frames().Where(testenv.From(c.links[n][i]), testenv.After(since)) {
			if f.Advert != nil && first[f.Advert.VRID].IsZero() {
				first[f.Advert.VRID] = f.At
			}
		}
		for vrid := 1; vrid <= size; vrid++ {
			at, ok := first[vrid]
			if !ok {
				c.Errorf("VRID %d of network %d was not claimed", vrid, i)
				continue
			}
			latest = max(latest, at.Sub(since))
		}
	}
	return latest
}

// A node has the 255 virtual routers that there can be on a network, and more on
// another one. All of them move to the other node when it is killed, in time, and
// back; each is advertised in time all the while, and none by both.
func TestAllVirtualRoutersOfANetwork(t *testing.T) {
	c := newCrowd(t, "", 255, 40)
	c.on(0, true)
	killed := time.Now()
	c.nodes[0].Kill()
	c.on(1, false)
	const down = 3*time.Second + (256-150)*time.Second/256
	if took := c.claims(1, killed); took > down+4*time.Second {
		t.Errorf("the last virtual router was taken over after %v, want %v", took, down)
	} else {
		t.Logf("the last virtual router was taken over after %v; the timer allows %v", took, down)
	}
	rest := time.Now()
	c.lab.Await("five rounds of advertisements", limit, func() error {
		got := len(c.capture[0].Frames().Where(testenv.IsAdvert(255), testenv.After(rest)))
		if got < 5 {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	for i, size := range c.sizes {
		frames := c.capture[i].Frames()
		for vrid := 1; vrid <= size; vrid++ {
			if err := frames.NoTwoSpeakers(vrid, time.Second); err != nil {
				t.Error(err)
			}
			var last time.Time
			for _, f := range frames.Where(testenv.IsAdvert(vrid), testenv.From(c.links[1][i]), testenv.After(rest)) {
				if gap := f.At.Sub(last); !last.IsZero() && gap > 3*time.Second {
					t.Errorf("VRID %d of network %d was not advertised for %v", vrid, i, gap)
				}
				last = f.At
			}
		}
	}
	c.nodes[0].Start()
	c.on(0, true)
	usage, err := c.nodes[1].Usage()
	if err != nil {
		t.Fatal(err)
	}
	if limit := 100; usage.Descriptors > limit {
		t.Errorf("%d descriptors are open, want at most %d whatever the number of virtual routers", usage.Descriptors, limit)
	}
	t.Logf("%+v", usage)
}

// Many virtual routers have MAC addresses of their own, each an interface. They
// move by an orderly end, which takes them all away in time, and while the kernel
// is busy with that the other node advertises in time.
func TestManyVirtualMACs(t *testing.T) {
	t.Parallel()
	const size = 60
	c := newCrowd(t, ", virtual_mac: true", size)
	c.on(0, true)
	begun := time.Now()
	c.nodes[0].Process().Signal(unix.SIGTERM)
	if state := c.nodes[0].Process().AwaitExit(); state.ExitCode() != 0 {
		t.Errorf("a ended with %v", state)
	}
	c.on(1, false)
	if err := c.nodes[0].Host().Do(func() error {
		all, err := netlink.LinkList()
		for _, l := range all {
			if l.Type() == "macvlan" {
				t.Errorf("a has left %s", l.Attrs().Name)
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	ofB := func(f testenv.Frame) bool {
		return f.Advert != nil && f.IP.Src == netip.MustParseAddr("198.18.1.2") && f.At.After(begun)
	}
	c.lab.Await("three rounds of b's advertisements", limit, func() error {
		if got := len(c.capture[0].Frames().Where(testenv.IsAdvert(size), ofB)); got < 3 {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	last := make(map[int]time.Time)
	for _, f := range c.capture[0].Frames().Where(ofB) {
		if before := last[f.Advert.VRID]; !before.IsZero() && f.At.Sub(before) > 3*time.Second {
			t.Errorf("VRID %d was not advertised for %v", f.Advert.VRID, f.At.Sub(before))
		}
		last[f.Advert.VRID] = f.At
	}
	if len(last) != size {
		t.Errorf("b has advertised %d virtual routers, want %d", len(last), size)
	}
}
