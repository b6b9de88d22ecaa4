package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const (
	vrid    = 51
	vip     = "198.51.100.100"
	arpPace = 2 * time.Millisecond
)

// product is a program that keeps an address on one of two nodes.
type product interface {
	name() string
	// start starts it and its nginx on a host, with the given priority.
	start(tb testenv.TB, lab *testenv.Lab, h *testenv.Host, priority int, r row) daemon
}

// daemon is a product that runs, with its nginx, on one host.
type daemon interface {
	awaitBackup()              // until it waits and has found its nginx healthy
	awaitActive()              // until it has the address and has found its nginx healthy
	processes() testenv.PIDs   // those of the daemon, the first one first; not nginx's
	nginx() testenv.PIDs       // master and workers
	nginxMaster() testenv.PIDs // one or none
	breakNginx()               // so that nginx does not start again
	reload() error             // until workers of nginx's present configuration are there
}

// pair is two nodes, a client and a bystander on one switch. The first node
// has the higher priority and holds the address. Of a row that wants a single
// node only the first one runs.
type pair struct {
	tb            testenv.TB
	row           row
	product       product
	lab           *testenv.Lab
	lan           *testenv.Bridge
	first, second node
	client        *testenv.Host
	bystander     *testenv.Link // asks by ARP, so that the client's kernel learns nothing from it
	capture       *testenv.Capture
}

type node struct {
	host   *testenv.Host
	link   *testenv.Link
	daemon daemon
}

// newPair returns a pair that serves, or its first node alone, at a random moment between two
// advertisements: what a fault costs depends on when it strikes.
func newPair(tb testenv.TB, with product, r row) *pair {
	lab := testenv.New(tb)
	p := &pair{tb: tb, row: r, product: with, lab: lab, lan: lab.Bridge("lan")}
	p.client = lab.Host("client")
	p.lan.Attach(p.client, "198.51.100.9/24")
	p.bystander = p.lan.Attach(lab.Host("bystander"), "198.51.100.8/24")
	p.capture = p.lan.Capture()
	p.first, p.second = p.attach("first", 1), p.attach("second", 2)
	p.start(r)
	if r.single {
		return p
	}
	p.capture.Await("an advertisement that both know of", patience, testenv.After(time.Now()),
		testenv.IsAdvert(vrid), testenv.From(p.first.link))
	p.atRandom()
	return p
}

// attach returns a new host on the LAN, on which nothing runs yet.
func (p *pair) attach(name string, number int) node {
	h := p.lab.Host(name)
	return node{host: h, link: p.lan.Attach(h, fmt.Sprintf("198.51.100.%d/24", number))}
}

// start starts the daemons and waits until they serve.
func (p *pair) start(r row) {
	p.first.daemon = p.product.start(p.tb, p.lab, p.first.host, firstPriority, r)
	if r.single {
		p.first.daemon.awaitActive()
		return
	}
	p.second.daemon = p.product.start(p.tb, p.lab, p.second.host, secondPriority, r)
	p.first.daemon.awaitActive()
	p.second.daemon.awaitBackup()
}

// atRandom waits for a random moment between two advertisements.
func (p *pair) atRandom() { p.pause(rand.N(p.row.interval)) }

// ask has the client ask, and returns when it was first answered.
func (p *pair) ask() *testenv.Probe {
	began := time.Now()
	probe := p.client.ProbeHTTP("http://"+vip+"/", p.row.pace)
	p.awaitAnswer(probe, "", began)
	return probe
}

// stop ends the client's asking and logs what it saw.
func (p *pair) stop(probe *testenv.Probe) testenv.Result {
	r := probe.Stop()
	p.tb.Logf("%v", r)
	return r
}

func (p *pair) askARP() *testenv.ARPProbe { return p.bystander.ProbeARP(vip, arpPace) }

// harm does the harm and returns the instant just before it.
func (p *pair) harm(do func()) time.Time {
	at := time.Now()
	do()
	return at
}

// awaitAnswer waits, no longer than patience, until an attempt begun after the
// instant was answered by the server of that name; "" is any.
func (p *pair) awaitAnswer(probe *testenv.Probe, server string, after time.Time) {
	const pace = 20 * time.Millisecond // each look copies what the probe has seen
	p.look(pace, func() bool {
		for _, s := range probe.Result().Samples {
			if s.Failure == "" && s.Started.After(after) && (server == "" || s.Server == server) {
				return true
			}
		}
		return false
	})
}

// until returns how long after the instant the condition came about.
func (p *pair) until(at time.Time, met func() bool) value {
	open := !p.look(time.Millisecond, met)
	return value{time.Since(at).Seconds(), open}
}

// look looks at every tick whether the condition is met. It gives up, and
// returns false, when patience ends.
func (p *pair) look(pace time.Duration, met func() bool) bool {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !met() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			return false
		case <-p.tb.Context().Done():
			p.tb.Fatalf("ended")
		}
	}
	return true
}

// pause lets time pass.
func (p *pair) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.tb.Context().Done():
		p.tb.Fatalf("ended")
	}
}

func (p *pair) signal(to testenv.PIDs, sig unix.Signal) {
	if len(to) == 0 {
		p.tb.Fatalf("there is nothing to send %v to", sig)
	}
	if err := to.Signal(sig); err != nil {
		p.tb.Fatalf("%v", err)
	}
}

// holders counts the nodes whose kernels have the address.
func (p *pair) holders() int {
	n := 0
	for _, h := range []*testenv.Host{p.first.host, p.second.host} {
		holds, err := h.Holds(vip)
		if err != nil {
			p.tb.Fatalf("%v", err)
		}
		if holds {
			n++
		}
	}
	return n
}
