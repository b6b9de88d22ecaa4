package main

import (
	"fmt"
	"os"

	"ngha/testenv"
)

// ngha is this module's program, with its defaults.
type ngha struct{}

func (ngha) name() string { return "ngha" }

func (ngha) start(tb testenv.TB, lab *testenv.Lab, h *testenv.Host, priority int, r row) daemon {
	n := testenv.Node{
		VRID: vrid, VIPs: []string{vip}, Priority: priority, Interval: r.interval, Config: r.config,
		UnderInit: !r.first, // nginx can outlive it, as it outlives keepalived
	}
	if r.routers > 0 {
		n.VRID, n.Config = 0, r.config+manyOfNgha(r, priority)
	}
	return nghaNode{tb, lab.StartNode(h, n)}
}

type nghaNode struct {
	tb testenv.TB
	*testenv.Node
}

func (n nghaNode) awaitBackup() { n.await("backup") }
func (n nghaNode) awaitActive() { n.await("active") }

func (n nghaNode) await(state string) {
	n.AwaitHealth("healthy")
	n.AwaitState(state)
}

func (n nghaNode) processes() testenv.PIDs   { return testenv.PIDs{n.Process().PID()} }
func (n nghaNode) nginx() testenv.PIDs       { return n.Nginx() }
func (n nghaNode) nginxMaster() testenv.PIDs { return n.NginxMaster() }

func (n nghaNode) reload() error {
	a, err := n.Reload()
	if err == nil && !a.Applied {
		err = fmt.Errorf("not applied: %s", a.Reason)
	}
	return err
}

func (n nghaNode) breakNginx() {
	// Nor shall the copy of the last good one be of use.
	const copied = "/run/ngha/ngha.nginx-lastgood"
	n.AwaitStatus("a copy of nginx's configuration", func(testenv.Status) error {
		_, err := n.Run("test", "-e", copied+"/lastgood.json")
		return err
	})
	if out, err := n.Run("rm", "-r", copied); err != nil {
		n.tb.Fatalf("break nginx: %v: %s", err, out)
	}
	if err := os.WriteFile(n.NginxConf(), []byte("a disk has lost what was here\n"), 0o644); err != nil {
		n.tb.Fatalf("break nginx: %v", err)
	}
}
