package router

import (
	"sync/atomic"
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

// tally is that part of a Status which changes with every packet or timer: it is
// counted where readers look, and takes no new snapshot.
type tally struct {
	received, pseudoHeader, messageOnly atomic.Uint64 // of vrrp.Counters
	sent                                atomic.Uint64 // of Counters, as all below
	late                                [len(LatenessBounds) + 1]atomic.Uint64
	lateMax, lateSum                    atomic.Int64
}

// take moves the tally's part of c into it.
func (t *tally) take(c *vrrp.Counters) {
	t.received.Store(c.Received)
	t.pseudoHeader.Store(c.PseudoHeader)
	t.messageOnly.Store(c.MessageOnly)
	c.Received, c.PseudoHeader, c.MessageOnly = 0, 0, 0
}

// served notes that a timer was served d after its deadline.
func (t *tally) served(d time.Duration) {
	i := 0
	for i < len(LatenessBounds) && d > LatenessBounds[i] {
		i++
	}
	t.late[i].Add(1)
	t.lateSum.Add(int64(d))
	if int64(d) > t.lateMax.Load() {
		t.lateMax.Store(int64(d))
	}
}

// add adds the tally to a snapshot that is without it.
func (t *tally) add(s *Status) {
	s.Counters.Received = t.received.Load()
	s.Counters.PseudoHeader = t.pseudoHeader.Load()
	s.Counters.MessageOnly = t.messageOnly.Load()
	s.LAN.Sent = t.sent.Load()
	for i := range t.late {
		s.LAN.Lateness.Buckets[i] = t.late[i].Load()
	}
	s.LAN.Lateness.Max = time.Duration(t.lateMax.Load())
	s.LAN.Lateness.Sum = time.Duration(t.lateSum.Load())
}

// same tells whether two lists of alarms are one.
func same(a, b []Alarm) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
