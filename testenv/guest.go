package testenv

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Guest is a machine that the lab did not make: a container of an engine on this
// machine, reached through its first process. It is there until the lab or that
// process ends.
//
// Of a Host it has what looks at the network: ProbeHTTP, Dial, Holds and the
// like. Nothing can be started on it.
type Guest struct {
	*Host
	pid   int
	pidNS string
}

// Guest returns the machine whose first process is pid. Its name need not be
// unique.
func (l *Lab) Guest(name string, pid int) *Guest {
	l.t.Helper()
	g := &Guest{Host: &Host{lab: l, name: name}, pid: pid}
	err := g.enter()
	if err != nil {
		l.t.Fatalf("enter the machine %s of process %d: %v", name, pid, err)
	}
	l.hosts = append(l.hosts, g.Host)
	return g
}

func (g *Guest) enter() (err error) {
	if g.pidNS, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", g.pid)); err != nil {
		return err
	}
	ns, err := netns.GetFromPid(g.pid)
	if err != nil {
		return err
	}
	g.net = &space{ns: ns}
	if g.net.thread, err = g.net.join(); err != nil {
		ns.Close()
		return err
	}
	if err = g.Do(func() (err error) {
		g.nl, err = netlink.NewHandle()
		return err
	}); err != nil {
		return errors.Join(err, g.net.close())
	}
	return nil
}

// Status asks the ngha on the machine, at its default control socket.
func (g *Guest) Status() (Status, error) {
	s, err := askStatus(g.lab.t.Context(), fmt.Sprintf("/proc/%d/root%s", g.pid, controlSocket))
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", g.name, err)
	}
	return s, nil
}

// Nginx lists every nginx process of the machine.
func (g *Guest) Nginx() PIDs { return g.processes(isAny) }

// NginxMaster lists nginx's masters: one, or none after it was killed.
func (g *Guest) NginxMaster() PIDs { return g.processes(isMaster) }

func (g *Guest) processes(which func(pid int, title string) bool) PIDs {
	g.lab.t.Helper()
	found, err := pidsIn(g.pidNS, isNginx(which))
	if err != nil {
		g.lab.t.Fatalf("list the processes of %s: %v", g.name, err)
	}
	return found
}
