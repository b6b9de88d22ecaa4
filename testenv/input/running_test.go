package input_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// slowServed is nil while a connection beside the one that asks is open.
func (n *node) slowServed() error {
	body, err := n.get("/stub_status")
	if err == nil && !strings.HasPrefix(body, "Active connections: 2") {
		err = fmt.Errorf("nginx says %q", body)
	}
	return err
}

// pair starts two nodes, each by its own command line, and moves the address
// from one to the other.
func pair(t *testing.T, line func(n *node, priority string) []string) {
	t.Helper()
	a := newNode(t)
	b := *a
	b.host = a.lab.Host("b")
	a.lan.Attach(b.host, "198.51.100.2/24")
	client := a.lab.Host("client")
	a.lan.Attach(client, "198.51.100.9/24")
	served := func() error {
		body, err := get(client, "http://"+vip+"/")
		if err == nil && body != "here\n" {
			err = fmt.Errorf("it answers %q", body)
		}
		return err
	}
	pa := a.start(line(a, "200")...)
	b.start(line(&b, "150")...)
	a.awaitRouter("active")
	b.awaitRouter("backup")
	a.host.AwaitHolds(vip)
	a.lab.Await("an answer over the virtual address", limit, served)

	a.end(pa)
	b.host.AwaitHolds(vip)
	b.awaitRouter("active", own+" released")
	a.lab.Await("an answer over the virtual address", limit, served)
}

func TestEnvironmentAloneMakesAPair(t *testing.T) {
	t.Parallel()
	pair(t, func(n *node, priority string) []string {
		nginx := n.nginx(site{name: n.host.Name() + ".conf"})
		env := []string{"NGHA_VIP=" + vip, "NGHA_VRID=51", "NGHA_PRIORITY=" + priority, "NGHA_ADVERT_INTERVAL=300ms"}
		return n.ngha(env, append([]string{"run", "--"}, nginx...)...)
	})
}

func TestFlagsAloneMakeAPair(t *testing.T) {
	t.Parallel()
	pair(t, func(n *node, priority string) []string {
		nginx := n.nginx(site{name: n.host.Name() + ".conf"})
		return n.ngha(nil, append([]string{"run", "--vip", vip, "--vrid", "51", "--priority=" + priority, "--advert-interval", "300ms", "--"}, nginx...)...)
	})
}

// Without a virtual router ngha is nginx's supervisor and no more.
func TestPlainSupervisor(t *testing.T) {
	for _, c := range []struct {
		name string
		file string // "": none is named
	}{{name: "no file"}, {name: "empty file", file: "\n"}, {name: "comments only", file: "# nothing\n---\n"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			answer := func(body string) []string {
				return n.nginx(site{server: "location = /a { return 200 \"" + body + "\\n\"; }"})
			}
			args := []string{"run"}
			if c.file != "" {
				args = append(args, "--config", n.file("ngha.yaml", c.file))
			}
			p := n.start(n.ngha(byHand(), append(append(args, "--"), append(answer("one"), "-g", "daemon off;")...)...)...)
			n.awaitHealthy()
			n.awaitBody("/a", "one")
			n.onlyOwnAddress()

			answer("two")
			n.reload(done, "generation 2")
			n.awaitBody("/a", "two")
			answer("three")
			p.Signal(unix.SIGHUP)
			n.awaitBody("/a", "three")
			n.awaitGeneration(3, "current")
			n.end(p)
		})
	}
}

// Nothing but a warning depends on the status location where there is no
// virtual router.
func TestPlainSupervisorNeedsNoStatusLocation(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(n.ngha(nil, append([]string{"run", "--"}, n.nginx(site{status: "# none"})...)...)...)
	n.awaitBody("/", "here")
	n.awaitGeneration(1, "current")
	n.reload(done, "generation 2")
	n.end(p)
}

// The node's own address cannot be a virtual one. The virtual router says so
// and stays out; nginx serves all the same.
func TestVirtualAddressIsTheNodesOwn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	p := n.start(n.ngha(nil, append(flags("--vip", own), nginx...)...)...)
	n.awaitRouter("initialize", own+" is an address of eth0 itself", "take another")
	n.awaitBody("/", "here")
	n.end(p)
}

// Nor is there an interface for an address of nobody's network, or two are.
func TestNoInterfaceForTheAddress(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	p := n.start(n.ngha(nil, append(flags("--vip", "203.0.113.7"), nginx...)...)...)
	n.awaitRouter("initialize", "no interface", "203.0.113.7", "name the interface")
	n.lan.Attach(n.host, "203.0.113.1/24") // it comes, and is taken
	n.awaitRouter("active")
	n.lan.Attach(n.host, "203.0.113.2/24")
	n.awaitRouter("initialize", "several interfaces", "eth1", "eth2")
	p.Signal(unix.SIGTERM)
	if state := p.AwaitExit(); state.ExitCode() != done {
		t.Errorf("ngha ended with %v", state)
	}
	n.host.AwaitGone("203.0.113.7")
}

// An interface that is named may come later.
func TestNamedInterfaceIsWaitedFor(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	p := n.start(n.ngha(nil, append(flags("--vip", vip, "--interface", "eth1"), nginx...)...)...)
	n.awaitRouter("initialize", "interface eth1 does not exist")
	n.lan.Attach(n.host, "198.51.100.3/24")
	n.awaitRouter("active")
	p.Signal(unix.SIGTERM)
	p.AwaitExit()
	n.host.AwaitGone(vip)
}

// A wrapper that ends in exec is nginx in the end.
func TestWrapperThatExecs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	wrapper := n.script("entrypoint", "#!/bin/sh\nset -e\nexec \"$@\"\n")
	p := n.start(n.ngha(nil, append(append(append(router(), wrapper), n.nginx(site{})...), "-g", "daemon off;")...)...)
	n.awaitRouter("active")
	n.reload(done, "generation 2")
	n.end(p)
}
