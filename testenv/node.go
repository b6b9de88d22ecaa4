package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Node is one ngha with its nginx. The fields say how it is configured; the
// zero value of each leaves ngha's own default. The methods are for a node that
// StartNode returned.
type Node struct {
	VRID      int      // 0: no virtual router, but for those in Config
	VIPs      []string // "198.51.100.100"
	Interface string
	Priority  int
	Interval  time.Duration
	Version   int
	Peers     []string
	Failback  string // "now", "after 30s", "never"
	Unhealthy string // "last-resort", "release"
	Router    string // more lines of YAML for the virtual router, not indented
	RealTime  bool   // it advertises in time however busy this machine is

	Config string   // more YAML, top level
	Server string   // more directives for nginx's server block
	Flags  []string // more flags for `ngha run`
	Env    []string // more environment, "NAME=value"

	// Root, set, becomes the host's, as by Host.SetRoot: the node runs its nginx.
	Root *Root

	// Command replaces nginx with its arguments after the --.
	Command []string
	// UnderInit runs ngha as a child of the host's init, so that what it
	// started can outlive it. Otherwise it is PID 1, as in a container.
	UnderInit bool

	lab     *Lab
	host    *Host
	machine *machine
	ngha    *Process
	binary  string // of ngha
	conf    string
	nginx   string // path of nginx's configuration
}

// StartNode configures and starts a node on h, at most one on each host. It
// does not wait until the node serves.
func (l *Lab) StartNode(h *Host, n Node) *Node {
	l.t.Helper()
	if n.Root != nil {
		h.SetRoot(n.Root)
	}
	h.requireBinary("nginx")
	n.lab, n.host, n.binary = l, h, l.Binary()
	n.nginx = l.writeNginx(h, h.name, n.Server)
	n.conf = l.write(h.name+".ngha.yaml", n.nghaYAML())
	l.nodes = append(l.nodes, &n)
	n.Start()
	return &n
}

// Start starts ngha again after it has ended, with the same configuration: in
// the same namespaces when UnderInit, beside what the old one left behind;
// otherwise in new ones.
func (n *Node) Start() {
	n.lab.t.Helper()
	cmd := exec.Command(n.binary, "run", "--config", n.conf)
	cmd.Args = append(cmd.Args, n.Flags...)
	cmd.Args = append(cmd.Args, "--")
	if n.Command != nil {
		cmd.Args = append(cmd.Args, n.Command...)
	} else {
		cmd.Args = append(append(cmd.Args, "nginx"), n.lab.nginxArgs(n.host.name, n.nginx)...)
	}
	cmd.Env = append(environment(), n.Env...)
	if n.UnderInit {
		n.ngha = n.host.Start(cmd)
		n.machine = n.host.own
		return
	}
	var err error
	if n.machine, err = n.host.newMachine(cmd); err != nil {
		n.lab.t.Fatalf("node %s: %v", n.host.name, err)
	}
	n.ngha = n.machine.first
}

// environment is this process's without the variables that ngha reads: those
// here are the lab's own, and ngha refuses what it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "NGHA_") })
}

// Configure writes nginx's configuration anew, with other directives for its
// server block. Whether nginx is reloaded is ngha's affair.
func (n *Node) Configure(server string) {
	n.lab.t.Helper()
	n.Server = server
	n.lab.writeNginx(n.host, n.host.name, server)
}

// NginxConf is the path of nginx's configuration, for tests that change it in
// their own way.
func (n *Node) NginxConf() string { return n.nginx }

// NghaConf is the path of ngha's configuration.
func (n *Node) NghaConf() string { return n.conf }

// Host is the host the node runs on.
func (n *Node) Host() *Host { return n.host }

// Process is ngha's own process.
func (n *Node) Process() *Process { return n.ngha }

// Run runs a program in the node's namespaces, as docker exec does, and
// returns all that it wrote. Any goroutine may call it.
func (n *Node) Run(name string, args ...string) (string, error) {
	return n.machine.run(exec.CommandContext(n.lab.t.Context(), name, args...))
}

// CLI runs an ngha subcommand against the node's socket and returns what it
// wrote. An exit code other than 0 is an *exec.ExitError. Any goroutine may call
// it.
func (n *Node) CLI(args ...string) (string, error) {
	n.lab.t.Helper()
	return n.Run(n.binary, append(args, "--socket", controlSocket)...)
}

// Kill kills ngha and, unless UnderInit, with it the whole node, at once.
func (n *Node) Kill() {
	n.lab.t.Helper()
	n.ngha.Signal(unix.SIGKILL)
	n.ngha.AwaitExit()
}

// Freeze stops ngha alone, with SIGSTOP; nginx goes on. Thaw lets it run again.
func (n *Node) Freeze() {
	n.lab.t.Helper()
	n.ngha.Signal(unix.SIGSTOP)
}

// Thaw ends Freeze.
func (n *Node) Thaw() {
	n.lab.t.Helper()
	n.ngha.Signal(unix.SIGCONT)
}

// Nginx lists every nginx process of the node.
func (n *Node) Nginx() PIDs {
	n.lab.t.Helper()
	return n.processes(isAny)
}

// NginxMaster lists nginx's masters: one, or none after it was killed.
func (n *Node) NginxMaster() PIDs {
	n.lab.t.Helper()
	return n.processes(isMaster)
}

func isAny(int, string) bool              { return true }
func isMaster(pid int, title string) bool { return titledMaster(title) && !isNamelessWorker(pid) }
func titledMaster(title string) bool      { return strings.HasPrefix(title, "nginx: master process") }

// isNamelessWorker tells whether pid is a copy of its parent, as a worker is that
// has not come to name itself, and no program that was started.
func isNamelessWorker(pid int) bool {
	s, err := readStat(pid)
	if err != nil || s.flags&pfForkNoExec == 0 {
		return false
	}
	parent, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.parent))
	return titledMaster(string(parent)) // a master that went to the background is none's
}

// NginxWorkers lists nginx's workers, those that are shutting down included.
func (n *Node) NginxWorkers() PIDs {
	n.lab.t.Helper()
	return n.processes(func(_ int, title string) bool { return strings.HasPrefix(title, "nginx: worker process") })
}

// processes lists those of the node's nginx processes that which chooses by their
// ids and by what they call themselves.
func (n *Node) processes(which func(pid int, title string) bool) PIDs {
	n.lab.t.Helper()
	found, err := n.machine.pids(isNginx(which))
	if err != nil {
		n.lab.t.Fatalf("list the processes of node %s: %v", n.host.name, err)
	}
	return found
}

// isNginx tells those of nginx's processes that which chooses.
func isNginx(which func(pid int, title string) bool) func(pid int) bool {
	return func(pid int) bool {
		// A process that has just ended reads as empty.
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return string(name) == "nginx\n" && len(command) > 0 && which(pid, string(command))
	}
}

// AwaitHolds waits until the host's kernel has the address.
func (n *Node) AwaitHolds(vip string) {
	n.lab.t.Helper()
	n.host.AwaitHolds(vip)
}

// AwaitGone waits until the host's kernel does not have the address.
func (n *Node) AwaitGone(vip string) {
	n.lab.t.Helper()
	n.host.AwaitGone(vip)
}

// endLimit is how long an ngha may take to end by SIGTERM: more than its
// default for `shutdown`.
const endLimit = 15 * time.Second

// end lets ngha write its coverage, if it counts it.
func (n *Node) end() {
	if os.Getenv("GOCOVERDIR") == "" || !n.ngha.Running() {
		return
	}
	pids := PIDs{n.ngha.PID()}
	err := pids.Signal(unix.SIGCONT)
	if err == nil {
		err = pids.Signal(unix.SIGTERM)
	}
	if err != nil {
		n.lab.t.Errorf("end node %s: %v", n.host.name, err)
		return
	}
	select {
	case <-n.ngha.Done():
	case <-time.After(endLimit):
		n.lab.t.Logf("node %s did not end by SIGTERM: no coverage", n.host.name)
	}
}
