package main

import (
	"fmt"
	"strconv"
	"strings"

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
	seconds := strconv.FormatFloat(r.interval.Seconds(), 'f', -1, 64)
	testenv.RequireBinary(tb, "curl")
	n := keepalivedNode{server: startServer(tb, lab, h)}
	n.daemon = lab.StartKeepalived(h, k.configuration(strconv.Itoa(priority), seconds, r.global))
	return n
}

type keepalivedNode struct {
	server
	daemon *testenv.Process
}

func (n keepalivedNode) awaitBackup() { n.awaitLog("succeeded", "Entering BACKUP STATE") }
func (n keepalivedNode) awaitActive() { n.awaitLog("succeeded", "Entering MASTER STATE") }

// awaitLog waits until keepalived, which offers no other way to ask it, has
// written all of these.
func (n keepalivedNode) awaitLog(words ...string) {
	n.lab.Await("keepalived on "+n.host.Name(), patience, func() error {
		log := n.daemon.Log()
		for _, w := range words {
			if !strings.Contains(log, w) {
				return fmt.Errorf("it has not written %q", w)
			}
		}
		return nil
	})
}

func (n keepalivedNode) processes() testenv.PIDs { return n.daemon.Family() }
