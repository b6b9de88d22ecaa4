package router

import (
	"time"

	"ngha/vrrp"
)

// Status is a snapshot of a Router: its machine's, what it did on the LAN, and
// what is wrong there.
type Status struct {
	vrrp.Status
	LAN Counters
	// Alarms are those that were current when the last one was noted; what is
	// over by now is told by Until. It is shared and not to be written to.
	Alarms []Alarm
}

// Counters count since New.
type Counters struct {
	Sent             uint64 // advertisements that left, once for each receiver
	PriorityZeroSent uint64
	Announcements    uint64 // rounds of gratuitous ARP
	SendErrors       uint64
	AddressErrors    uint64
	Lost             uint64                  // packets that came faster than they were taken
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
