package main

import (
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// How long a run looks on after its fault. All of them are far beyond what
// either daemon's timers allow; what has not happened then is reported as
// "more than".
const (
	patience  = 15 * time.Second // for an answer by the other node
	aftermath = 6 * time.Second  // for what comes after it, or instead
)

func vanish(p *pair) []value {
	return p.outageUntilSecond(p.first.host.PowerOff)
}

func unplug(p *pair) []value {
	return p.outageUntilSecond(p.first.link.PortDown)
}

func freezeNginx(p *pair) []value {
	return p.outageUntilSecond(func() { p.signal(p.first.daemon.nginx(), unix.SIGSTOP) })
}

// outageUntilSecond measures how long nobody answers when the first node is
// done harm to, and the second one comes to serve.
func (p *pair) outageUntilSecond(harm func()) []value {
	probe := p.ask()
	at := p.harm(harm)
	p.awaitAnswer(probe, p.second.host.Name(), at)
	outage, _ := longest(p.stop(probe), at)
	return []value{outage}
}

// beyondRepair kills nginx after its configuration was broken, so that it does
// not start again.
func beyondRepair(p *pair) []value {
	probe := p.ask()
	at := p.harm(func() {
		p.first.daemon.breakNginx()
		p.signal(p.first.daemon.nginx(), unix.SIGKILL)
	})
	p.awaitAnswer(probe, p.second.host.Name(), at)
	outage, gap := longest(p.stop(probe), at)
	if outage.open {
		return []value{outage, outage}
	}
	sinceStepDown := none()
	released := p.capture.Frames().Where(testenv.After(at), testenv.From(p.first.link),
		testenv.IsAdvert(vrid), testenv.WithPriority(0))
	if len(released) > 0 {
		sinceStepDown = seconds(gap.To.Sub(released[0].At))
	}
	return []value{sinceStepDown, seconds(gap.To.Sub(at))}
}

func terminate(p *pair) []value {
	probe := p.ask()
	at := p.harm(func() { p.signal(p.first.daemon.processes()[:1], unix.SIGTERM) })
	p.awaitAnswer(probe, p.second.host.Name(), at)
	p.pause(time.Second) // the attempts under way have their say
	r := p.stop(probe)
	outage, _ := longest(r, at)
	cut := cutShort(r)
	return []value{count(r.Failed() - cut), count(cut), outage}
}

func killDaemon(p *pair) []value {
	// Stopped first, keepalived's processes learn nothing of each other's end.
	return p.silence(unix.SIGSTOP, unix.SIGKILL)
}

func stopDaemon(p *pair) []value {
	return p.silence(unix.SIGSTOP)
}

// silence ends or stops the first node's daemon without a last word, while its
// nginx, and at first its address, live on.
func (p *pair) silence(signals ...unix.Signal) []value {
	probe, arp := p.ask(), p.askARP()
	at := p.harm(func() {
		all := p.first.daemon.processes()
		for _, sig := range signals {
			p.signal(all, sig)
		}
	})
	p.awaitAnswer(probe, p.second.host.Name(), at)
	p.pause(aftermath)
	outage, _ := longest(p.stop(probe), at)
	return []value{outage, contested(arp.Stop(), arpPace)}
}

// healPartition has the client on the second node's side, so that its ARP
// entry is the one which turns out to be wrong.
func healPartition(p *pair) []value {
	cut := p.lan.Partition([]*testenv.Host{p.first.host}, []*testenv.Host{p.second.host, p.client})
	p.second.host.AwaitHolds(vip)
	probe := p.ask()
	p.awaitAnswer(probe, p.second.host.Name(), time.Now())
	p.atRandom() // who speaks first decides how it goes
	at := p.harm(cut.Heal)
	one := p.until(at, func() bool { return p.holders() == 1 })
	right := p.until(at, func() bool {
		return p.client.Neighbor(vip).String() == p.first.link.MAC().String() && p.holders() == 1
	})
	p.awaitAnswer(probe, p.first.host.Name(), at)
	p.pause(2 * p.row.interval)
	outage, _ := longest(p.stop(probe), at)
	return []value{one, right, outage}
}
