package main

import (
	"fmt"
	"strings"
	"time"
)

// manyRows list what virtual routers cost. Neither product's nginx is asked by
// them, and keepalived has no check at all.
func manyRows() []row {
	figures := []figure{
		{"Active, processor time a second for each further one", inMicros, nil},
		{"Backup, processor time a second for each further one", inMicros, nil},
		{"Active, of one processor", inPercent, nil},
		{"Backup, of one processor", inPercent, nil},
		{"Active, memory for each further one", inKiB, &goal{64, "64 KiB"}},
		{"Backup, memory for each further one", inKiB, &goal{64, "64 KiB"}},
		{"Active, memory", inMiB, nil},
		{"Backup, memory", inMiB, nil},
		{"Active with one, of one processor", inPercent, nil},
		{"Backup with one, of one processor", inPercent, nil},
	}
	var list []row
	for _, many := range []struct {
		routers  int
		interval time.Duration
	}{{20, time.Second}, {100, time.Second}, {255, time.Second}, {20, 100 * time.Millisecond}, {255, 100 * time.Millisecond}} {
		list = append(list, row{
			name:     fmt.Sprintf("%d virtual routers, interval %v", many.routers, many.interval),
			interval: many.interval, figures: figures, paired: 2, routers: 1,
			run: func(p *pair) []value { return p.grow(many.routers) },
		})
	}
	return list
}

// grow measures one virtual router and then so many of them.
func (p *pair) grow(routers int) []value {
	one := p.costs()
	p.first.host.PowerOff()
	p.second.host.PowerOff()
	p.first, p.second = p.attach("third", 3), p.attach("fourth", 4)
	r := p.row
	r.routers = routers
	// One after the other: two keepalived at once are so late at short intervals
	// that they take the addresses from each other again and again.
	p.first.daemon = p.product.start(p.tb, p.lab, p.first.host, firstPriority, r)
	p.first.daemon.awaitActive()
	p.awaitAll(routers)
	p.second.daemon = p.product.start(p.tb, p.lab, p.second.host, secondPriority, r)
	p.second.daemon.awaitBackup()
	many := p.costs()
	further := float64(routers - 1)
	micros := func(i int) value { return value{amount: (many[i].share - one[i].share) / further * 1e6} }
	kib := func(i int) value {
		return value{amount: float64(many[i].resident-one[i].resident) / further / (1 << 10)}
	}
	percent := func(c cost) value { return value{amount: 100 * c.share} }
	return []value{
		micros(0), micros(1), percent(many[0]), percent(many[1]),
		kib(0), kib(1), mebibytes(many[0].resident), mebibytes(many[1].resident),
		percent(one[0]), percent(one[1]),
	}
}

// awaitAll waits until the first node has every address.
func (p *pair) awaitAll(routers int) {
	p.lab.Await("the first node to have every address", patience, func() error {
		have, err := p.first.host.Addresses()
		if err == nil && len(have) < routers {
			err = fmt.Errorf("it has %d, want %d", len(have), routers)
		}
		return err
	})
}

// cost is what a daemon takes.
type cost struct {
	share    float64 // of one processor
	resident int64   // bytes
}

// costs looks at both nodes for a while.
func (p *pair) costs() (both [2]cost) {
	const settled, measured = 5 * time.Second, 30 * time.Second
	p.pause(settled)
	spent := func(d daemon) time.Duration {
		t, err := d.processes().CPU()
		if err != nil {
			p.tb.Fatalf("%v", err)
		}
		return t
	}
	daemons := [2]daemon{p.first.daemon, p.second.daemon}
	var before [2]time.Duration
	began := time.Now()
	for i, d := range daemons {
		before[i] = spent(d)
	}
	p.pause(measured)
	took := time.Since(began)
	for i, d := range daemons {
		both[i].share = float64(spent(d)-before[i]) / float64(took)
		var err error
		if both[i].resident, err = d.processes().Resident(); err != nil {
			p.tb.Fatalf("%v", err)
		}
	}
	return both
}

// routerOf is the number and the address of one of many virtual routers.
func routerOf(i int) (id int, address string) {
	if i == 0 {
		return vrid, vip
	}
	id = (vrid+i-1)%255 + 1
	return id, fmt.Sprintf("198.18.0.%d", id)
}

func manyOfNgha(r row, priority int) string {
	var b strings.Builder
	b.WriteString("\nvirtual_routers:\n")
	for i := range r.routers {
		id, address := routerOf(i)
		fmt.Fprintf(&b, "  - {vrid: %d, interface: eth0, addresses: [%s], priority: %d, interval: %v}\n", id, address, priority, r.interval)
	}
	return b.String()
}

func manyOfKeepalived(r row, priority int) string {
	var b strings.Builder
	b.WriteString("global_defs {\n\tvrrp_version 3\n\tvrrp_garp_master_refresh 60\n}\n")
	for i := range r.routers {
		id, address := routerOf(i)
		fmt.Fprintf(&b, `vrrp_instance r%d {
	state BACKUP
	interface eth0
	virtual_router_id %[1]d
	priority %d
	advert_int %s
	virtual_ipaddress {
		%s/32
	}
}
`, id, priority, inKeepalived(r.interval), address)
	}
	return b.String()
}
