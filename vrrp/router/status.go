package router

import (
	"maps"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// Status is a snapshot of a Router: its machine's, and what it did on the LAN.
type Status struct {
	vrrp.Status
	LAN Counters
}

// Counters count since New.
type Counters struct {
	Sent             uint64 // advertisements that left, once for each receiver
	PriorityZeroSent uint64
	Announcements    uint64 // rounds of gratuitous ARP
	SendErrors       uint64
	AddressErrors    uint64
	Discarded        [vrrp.NumReasons]uint64 // by the codec and by the machine
	Lateness         Lateness
}

// LatenessBounds are the upper bounds of Lateness.Buckets but the last.
var LatenessBounds = [...]time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond,
}

// Lateness tells how long after its deadline the timer was served.
type Lateness struct {
	Buckets [len(LatenessBounds) + 1]uint64 // at most the bound; the last is above them all
	Max     time.Duration
	Sum     time.Duration
}

func (l *Lateness) observe(d time.Duration) {
	i := 0
	for i < len(LatenessBounds) && d > LatenessBounds[i] {
		i++
	}
	l.Buckets[i]++
	l.Sum += d
	l.Max = max(l.Max, d)
}

// discardLog decides which refused packets are worth a line: the first of its
// sender and reason, then one a minute. It remembers few senders, so that a
// flood from many costs neither memory nor log.
type discardLog struct{ seen map[discardKey]*discardRun }

type discardKey struct {
	src    netip.Addr
	reason vrrp.Reason
}

type discardRun struct {
	told  time.Time
	count int // since told
}

const (
	discardLogKeys  = 64
	discardLogEvery = time.Minute
)

// admit returns how many packets a line should speak of; 0: no line.
func (d *discardLog) admit(src netip.Addr, reason vrrp.Reason) int {
	key, now := discardKey{src, reason}, time.Now()
	run := d.seen[key]
	if run == nil {
		if len(d.seen) >= discardLogKeys && !d.forget(now) {
			return 0
		}
		if d.seen == nil {
			d.seen = make(map[discardKey]*discardRun)
		}
		d.seen[key] = &discardRun{told: now}
		return 1
	}
	run.count++
	if now.Sub(run.told) < discardLogEvery {
		return 0
	}
	n := run.count
	*run = discardRun{told: now}
	return n
}

// forget drops the senders that have been quiet, and reports whether there
// were any.
func (d *discardLog) forget(now time.Time) bool {
	before := len(d.seen)
	maps.DeleteFunc(d.seen, func(_ discardKey, run *discardRun) bool { return now.Sub(run.told) >= discardLogEvery })
	return len(d.seen) < before
}
