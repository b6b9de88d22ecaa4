package main

import (
	"fmt"
	"os"
	"path/filepath"
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

func (keepalived) configuration(priority, interval string) string {
	return strings.NewReplacer("VRID", strconv.Itoa(vrid), "PRIORITY", priority,
		"INTERVAL", interval, "VIP", vip).Replace(keepalivedConfiguration)
}

func (k keepalived) start(tb testenv.TB, lab *testenv.Lab, h *testenv.Host, priority int, interval time.Duration) daemon {
	seconds := strconv.FormatFloat(interval.Seconds(), 'f', -1, 64)
	testenv.RequireBinary(tb, "curl")
	n := keepalivedNode{tb: tb, lab: lab, host: h}
	n.server = lab.StartNginx(h, "")
	n.daemon = lab.StartKeepalived(h, k.configuration(strconv.Itoa(priority), seconds))
	return n
}

type keepalivedNode struct {
	tb             testenv.TB
	lab            *testenv.Lab
	host           *testenv.Host
	server, daemon *testenv.Process
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

func (n keepalivedNode) processes() testenv.PIDs { return n.family(n.daemon.PID()) }
func (n keepalivedNode) nginx() testenv.PIDs     { return n.family(n.server.PID()) }

func (n keepalivedNode) nginxMaster() testenv.PIDs {
	if !n.server.Running() {
		return nil
	}
	return testenv.PIDs{n.server.PID()}
}

// breakNginx has nothing to do: Debian's nginx.service does not restart nginx,
// and neither does anybody here.
func (n keepalivedNode) breakNginx() {}

// family returns a process and its children.
func (n keepalivedNode) family(parent int) testenv.PIDs {
	family := testenv.PIDs{parent}
	found, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		n.tb.Fatalf("list the processes: %v", err)
	}
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, ppid, err := parents(string(b))
		if err != nil {
			n.tb.Fatalf("%s: %v", path, err)
		}
		if ppid == parent {
			family = append(family, pid)
		}
	}
	return family
}

// parents reads a process's id and its parent's from a line of /proc/*/stat,
// whose second field, in parentheses, may hold anything.
func parents(stat string) (pid, ppid int, err error) {
	before, _, ok1 := strings.Cut(stat, " ")
	end := strings.LastIndex(stat, ") ")
	if !ok1 || end < 0 {
		return 0, 0, fmt.Errorf("not a line of /proc/pid/stat: %q", stat)
	}
	fields := strings.Fields(stat[end+2:]) // state, parent, ...
	if len(fields) < 2 {
		return 0, 0, fmt.Errorf("not a line of /proc/pid/stat: %q", stat)
	}
	if pid, err = strconv.Atoi(before); err != nil {
		return 0, 0, err
	}
	ppid, err = strconv.Atoi(fields[1])
	return pid, ppid, err
}
