package compose

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ngha/testenv"
)

// Pair is one of the folders, raised.
type Pair struct {
	lab    *testenv.Lab
	t      testenv.TB
	name   string // of the project
	folder string // the copy
	client *testenv.Guest
	nodes  map[string]*Node
}

// Up raises the pair of that name, which ends with the test. The services are
// started as they are named, one after the other, or all at once where none is.
func Up(t testenv.TB, lab *testenv.Lab, pair string, services ...string) *Pair {
	t.Helper()
	Require(t)
	p := &Pair{lab: lab, t: t, name: "ngha-test-" + pair, nodes: make(map[string]*Node)}
	from, to := filepath.Join(testenv.Sources(t), "testenv/compose"), t.TempDir()
	for _, name := range []string{pair, "conf.d"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatalf("copy the pair: %v", err)
		}
	}
	p.folder = filepath.Join(to, pair)
	p.down() // what a run that was killed has left behind
	t.Cleanup(p.end)
	if len(services) == 0 {
		p.Compose("up", "-d", "--no-build")
	}
	for _, s := range services {
		p.Compose("up", "-d", "--no-build", "--no-deps", s)
	}
	return p
}

// Rewrite changes the nodes' nginx configuration, until undo is called.
func (p *Pair) Rewrite(old, new string) (undo func()) {
	p.t.Helper()
	site := filepath.Join(p.folder, "../conf.d/site.conf")
	before, err := os.ReadFile(site)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(site, []byte(text), 0o644); err != nil {
			p.t.Fatalf("%v", err)
		}
	}
	after := strings.ReplaceAll(string(before), old, new)
	if after == string(before) {
		p.t.Fatalf("there is no %q in\n%s", old, before)
	}
	write(after)
	return func() { write(string(before)) }
}

// Network is the engine's name of the pair's network.
func (p *Pair) Network() string { return p.name + "_default" }

// Compose runs docker-compose in the pair's folder, and returns what it prints.
func (p *Pair) Compose(args ...string) string {
	p.t.Helper()
	out, err := p.TryCompose(args...)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	return out
}

// TryCompose is Compose for what may go wrong.
func (p *Pair) TryCompose(args ...string) (string, error) {
	cmd := exec.Command("docker-compose", append([]string{"--project-name", p.name}, args...)...)
	cmd.Dir = p.folder
	cmd.Env = append(os.Environ(), "NGHA_IMAGE="+Image)
	return run(cmd)
}

func (p *Pair) down() {
	if _, err := p.TryCompose("down", "--volumes", "--remove-orphans", "--timeout", "0"); err != nil {
		p.t.Errorf("%v", err)
	}
}

func (p *Pair) end() {
	if p.t.Failed() {
		if out, err := p.TryCompose("logs", "--no-color", "--timestamps", "--tail", "100"); err == nil {
			p.t.Logf("=== the tails of %s's logs\n%s", p.name, out)
		}
	}
	p.down()
}

// Client is the network that the pair's client has.
func (p *Pair) Client() *testenv.Guest {
	p.t.Helper()
	if p.client == nil {
		pid, err := firstProcess(p.container("client"))
		if err != nil {
			p.t.Fatalf("%v", err)
		}
		p.client = p.lab.Guest("client", pid)
	}
	return p.client
}

// container is the name of a service's container.
func (p *Pair) container(service string) string { return p.name + "_" + service + "_1" }

// firstProcess is the container's, by this machine's number.
func firstProcess(container string) (pid int, err error) {
	out, err := docker("inspect", "--format", "{{.State.Pid}}", container)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscan(out, &pid); err != nil || pid == 0 {
		return 0, fmt.Errorf("%s does not run: its first process is %q", container, out)
	}
	return pid, nil
}

// Node is a service of a pair that runs ngha.
type Node struct {
	pair  *Pair
	name  string
	pid   int // guest's first process
	guest *testenv.Guest
}

// Node returns the service of that name.
func (p *Pair) Node(name string) *Node {
	n := p.nodes[name]
	if n == nil {
		n = &Node{pair: p, name: name}
		p.nodes[name] = n
	}
	return n
}

// Name is the service's.
func (n *Node) Name() string { return n.name }

// Container is the name of its container.
func (n *Node) Container() string { return n.pair.container(n.name) }

// Docker runs a command of the engine's client on the container: "kill".
func (n *Node) Docker(command string, options ...string) {
	n.pair.t.Helper()
	if err := n.TryDocker(command, options...); err != nil {
		n.pair.t.Fatalf("%v", err)
	}
}

// TryDocker is Docker for another goroutine than the test's.
func (n *Node) TryDocker(command string, options ...string) error {
	_, err := docker(append(append([]string{command}, options...), n.Container())...)
	return err
}

// Exec runs a command in the container, and returns what it prints.
func (n *Node) Exec(command ...string) (string, error) {
	return docker(append([]string{"exec", n.Container()}, command...)...)
}

// Guest is the container as the lab sees it since its last start.
func (n *Node) Guest() *testenv.Guest {
	n.pair.t.Helper()
	g, err := n.enter()
	if err != nil {
		n.pair.t.Fatalf("%v", err)
	}
	return g
}

func (n *Node) enter() (*testenv.Guest, error) {
	pid, err := firstProcess(n.Container())
	if err != nil {
		return nil, err
	}
	if pid != n.pid {
		n.pid, n.guest = pid, n.pair.lab.Guest(n.name, pid)
	}
	return n.guest, nil
}

// Status asks its ngha.
func (n *Node) Status() (testenv.Status, error) {
	g, err := n.enter()
	if err != nil {
		return testenv.Status{}, err
	}
	return g.Status()
}

// Inspect returns what the engine knows of the container, by a template.
func (n *Node) Inspect(format string) string {
	n.pair.t.Helper()
	out, err := docker("inspect", "--format", format, n.Container())
	if err != nil {
		n.pair.t.Fatalf("%v", err)
	}
	return out
}

// awaitLimit is far beyond all timers of the pairs.
const awaitLimit = 40 * time.Second

// AwaitStates waits until the node is healthy and its virtual routers are in
// these states, in their order.
func (n *Node) AwaitStates(states ...string) {
	n.pair.t.Helper()
	n.pair.lab.Await(fmt.Sprintf("%s to be %s", n.name, strings.Join(states, ", ")), awaitLimit, func() error {
		s, err := n.Status()
		if err != nil {
			return err
		}
		have := make([]string, len(s.VirtualRouters))
		for i, r := range s.VirtualRouters {
			have[i] = r.State
		}
		if !s.Health.Healthy || strings.Join(have, ", ") != strings.Join(states, ", ") {
			return fmt.Errorf("it is %s, %v", s.Health.State, have)
		}
		return nil
	})
}

// Address is the one that the engine has given to the node's container.
func (n *Node) Address() string {
	n.pair.t.Helper()
	return n.Inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
}

// Occupy has a container take the address, which is not in use, until the end.
func (p *Pair) Occupy(address string) {
	p.t.Helper()
	id, err := docker("run", "--detach", "--network", p.Network(), "--ip", address, "--no-healthcheck", Image, "sleep", "infinity")
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	p.t.Cleanup(func() {
		if _, err := docker("rm", "--force", id); err != nil {
			p.t.Errorf("%v", err)
		}
	})
}
