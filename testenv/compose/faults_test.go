package compose_test

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
	"ngha/testenv/compose"
)

// faults are what a pair survives. Each of them harms a, and ends when all is
// well again.
var faults = []struct {
	name  string
	limit time.Duration // of the time without an answer; 0: nobody is refused, and nobody waits in vain
	harm  func(*pair)
}{
	{"killed and started", takeover, func(p *pair) {
		p.a.Docker("kill")
		p.servedBy(p.all("b"))
		p.a.Docker("start")
		p.settles()
	}},
	{"stopped and started", 0, func(p *pair) {
		stopped := time.Now()
		p.a.Docker("stop")
		if took, code := time.Since(stopped), p.a.Inspect("{{.State.ExitCode}}"); code != "0" || took > 10*time.Second {
			p.Errorf("docker stop: exit code %s after %v", code, took)
		}
		p.servedBy(p.all("b"))
		p.a.Docker("start")
		p.settles()
	}},
	{"paused and unpaused", takeover, func(p *pair) {
		p.a.Docker("pause")
		p.servedBy(p.all("b"))
		p.a.Docker("unpause")
		p.settles()
	}},
	{"restarted", takeover, func(p *pair) {
		before := p.a.Inspect("{{.State.StartedAt}}")
		p.a.Docker("restart")
		if p.a.Inspect("{{.State.StartedAt}}") == before {
			p.Error("docker restart did nothing")
		}
		p.settles()
	}},
	{"disconnected and connected", takeover, func(p *pair) {
		p.a.Docker("network", "disconnect", p.Network())
		p.servedBy(p.all("b"))
		p.a.Docker("network", "connect", "--alias", "a", p.Network())
		p.settles()
	}},
	{"nginx's master killed", 0, func(p *pair) {
		p.killMaster()
		p.settles()
	}},
	{"all of nginx killed", takeover, func(p *pair) {
		p.signal(p.a.Guest().Nginx(), unix.SIGKILL)
		p.settles()
	}},
	{"a broken configuration, and all of nginx killed", takeover, func(p *pair) {
		undo := p.Rewrite("listen", "lissen")
		p.refuse()
		p.signal(p.a.Guest().Nginx(), unix.SIGKILL)
		p.settles()
		undo()
		p.current()
	}},
	{"recreated with another address", takeover, func(p *pair) {
		before := p.a.Address()
		p.Compose("rm", "--stop", "--force", "a")
		p.servedBy(p.all("b"))
		p.Occupy(before)
		p.Compose("up", "-d", "--no-build", "--no-deps", "a")
		if after := p.a.Address(); after == before {
			p.Errorf("a has its old address %s again", after)
		}
		p.settles()
	}},
	{"both started, the better first", awaitLimit, func(p *pair) { p.starts(p.a, p.b) }},
	{"both started, the better last", awaitLimit, func(p *pair) { p.starts(p.b, p.a) }},
}

// refuse expects that the nodes have not loaded what they were given.
func (p *pair) refuse() {
	p.Helper()
	if p.handOut != nil {
		if err := p.handOut(); err == nil || !strings.Contains(err.Error(), `unknown directive "lissen"`) {
			p.Errorf("a broken configuration was handed out: %v", err)
		}
		return
	}
	p.await("refused a configuration", func(s testenv.Status) bool {
		return s.Nginx.Configuration == "stale" && strings.Contains(s.Nginx.Reason, `unknown directive "lissen"`)
	})
}

// current waits until the nodes run with what is on disk.
func (p *pair) current() {
	p.Helper()
	p.await("runs with what is on disk", func(s testenv.Status) bool { return s.Nginx.Configuration == "current" })
}

func (p *pair) await(what string, is func(testenv.Status) bool) {
	p.Helper()
	for _, n := range []*compose.Node{p.a, p.b} {
		p.lab.Await(n.Name()+": "+what, awaitLimit, func() error {
			s, err := n.Status()
			if err == nil && !is(s) {
				err = fmt.Errorf("its nginx: %+v", s.Nginx)
			}
			return err
		})
	}
}

func (p *pair) signal(processes testenv.PIDs, sig unix.Signal) {
	p.Helper()
	if len(processes) == 0 {
		p.Fatal("there is no nginx to kill")
	}
	if err := processes.Signal(sig); err != nil {
		p.Fatal(err)
	}
}

// killMaster kills nginx's master and waits for another one.
func (p *pair) killMaster() {
	p.Helper()
	before := p.a.Guest().NginxMaster()
	p.signal(before, unix.SIGKILL)
	p.lab.Await("another master", awaitLimit, func() error {
		if now := p.a.Guest().NginxMaster(); len(now) != 1 || now[0] == before[0] {
			return fmt.Errorf("there are %v", now)
		}
		return nil
	})
}

// starts kills both nodes and starts them, the second when the first serves.
func (p *pair) starts(first, second *compose.Node) {
	p.Helper()
	p.a.Docker("kill")
	p.b.Docker("kill")
	first.Docker("start")
	p.servedBy(p.all(first.Name()))
	second.Docker("start")
	p.settles()
}

// underLoad kills nginx's master again and again under many new connections, with
// the engine's own seccomp profile and NET_ADMIN alone.
func (p *pair) underLoad() {
	p.Helper()
	undo := p.Rewrite("location / ", testenv.SlowLocation()+" location / ")
	if _, err := p.a.Exec("ngha", "reload"); err != nil {
		p.Fatal(err)
	}
	load := p.Client().StartLoad("http://198.51.100.100/", testenv.Clients{New: 500, KeepAlive: 10, Think: 10 * time.Millisecond, Downloads: 5})
	for range 3 {
		load.Await(200)
		p.killMaster()
	}
	load.Await(200)
	r := load.Stop()
	if r.All().Failed() > 0 {
		p.Errorf("nginx's master killed under load: %v", r)
	} else {
		p.Logf("nginx's master killed under load: %v", r)
	}
	undo()
	p.current()
}
