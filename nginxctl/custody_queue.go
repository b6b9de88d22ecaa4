package nginxctl

import (
	"time"

	"golang.org/x/sys/unix"
)

// A queue are connections to one listening socket which nginx has not accepted.
type queue struct {
	at     endpoint
	length int
	since  time.Time // since when it has not become shorter
}

// stuckQueue is how long a queue must not become shorter before it is believed
// that nobody empties it.
const stuckQueue = 3 * time.Second

// watchQueues follows the lengths of nginx's accept queues.
func (c *Custody) watchQueues(at map[uint64]listener, now time.Time) {
	next := make(map[uint64]queue)
	for inode, l := range at {
		if l.queue == 0 {
			continue
		}
		q, waited := c.queues[inode]
		if !waited || l.queue < q.length {
			q.since = now
		}
		q.at, q.length = l.endpoint, l.queue
		next[inode] = q
	}
	c.queues = next
}

// Waiting lists the addresses, as of the last Sync, at which connections wait and
// nobody has accepted any for some seconds. With reuseport it takes one worker
// that hangs, which no question to the status endpoint shows; else all of them
// hang or are overloaded.
func (c *Custody) Waiting() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var stuck []endpoint
	for _, q := range c.queues {
		if now.Sub(q.since) >= stuckQueue {
			stuck = append(stuck, q.at)
		}
	}
	return texts(stuck)
}

// acceptQueue is the number of connections that wait to be accepted from a
// listening socket of TCP; 0 for every other one (tcp(7), TCP_INFO).
func acceptQueue(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != unix.BPF_TCP_LISTEN {
		return 0
	}
	return int(info.Unacked)
}
