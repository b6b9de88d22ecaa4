package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ngha/testenv"
)

// keepalived is what ngha is compared with: keepalived beside an nginx that it
// watches by a script.
type keepalived struct{}

func (keepalived) name() string { return "keepalived" }

// keepalivedConfiguration is the best that sense allows: VRRPv3; the check as
// often as keepalived can (its interval is whole seconds), two failures count;
// no weight, so that a failed check gives up the address by a Priority 0; and
// the two options that help after a partition, which are off by default.
const keepalivedConfiguration = `global_defs {
	vrrp_version 3
	vrrp_garp_master_refresh 60
	vrrp_higher_prio_send_advert true
	enable_script_security
	script_user root
	GLOBAL
}
vrrp_script nginx {
	script "/usr/bin/curl -sf -m 1 -o /dev/null http://127.0.0.1/"
	interval 1
	timeout 1
	fall 2
	rise 2
}
vrrp_instance web {
	state BACKUP
	interface eth0
	virtual_router_id VRID
	priority PRIORITY
	advert_int INTERVAL
	track_script {
		nginx
	}
	virtual_ipaddress {
		VIP/32
	}
}
`

func (keepalived) configuration(priority, interval, global string) string {
	return strings.NewReplacer("VRID", strconv.Itoa(vrid), "PRIORITY", priority,
		"INTERVAL", interval, "VIP", vip, "\n\tGLOBAL", global).Replace(keepalivedConfiguration)
}

func (k keepalived) start(tb testenv.TB, lab *testenv.Lab, h *testenv.Host, priority int, r row) daemon {
	if r.routers > 0 {
		n := keepalivedNode{server: startServer(tb, lab, h), routers: r.routers}
		n.daemon = lab.StartKeepalived(h, manyOfKeepalived(r, priority))
		return n
	}
	seconds := inKeepalived(r.interval)
	testenv.RequireBinary(tb, "curl")
	n := keepalivedNode{server: startServer(tb, lab, h), routers: 1, checks: true}
	n.daemon = lab.StartKeepalived(h, k.configuration(strconv.Itoa(priority), seconds, r.global))
	return n
}

// inKeepalived is an interval as keepalived's configuration has it.
func inKeepalived(interval time.Duration) string {
	return strconv.FormatFloat(interval.Seconds(), 'f', -1, 64)
}

type keepalivedNode struct {
	server
	daemon  *testenv.Process
	routers int
	checks  bool // it watches its nginx
}

func (n keepalivedNode) awaitBackup() { n.awaitLog("Entering BACKUP STATE") }
func (n keepalivedNode) awaitActive() { n.awaitLog("Entering MASTER STATE") }

// awaitLog waits until keepalived, which offers no other way to ask it, has
// written this of every virtual router, and that its nginx is well.
func (n keepalivedNode) awaitLog(state string) {
	n.lab.Await("keepalived on "+n.host.Name(), patience, func() error {
		log := n.daemon.Log()
		if got := strings.Count(log, state); got < n.routers {
			return fmt.Errorf("it has written %q %d times, want %d", state, got, n.routers)
		}
		if n.checks && !strings.Contains(log, "succeeded") {
			return errors.New("it has not written that its check succeeded")
		}
		return nil
	})
}

func (n keepalivedNode) processes() testenv.PIDs { return n.daemon.Family() }
