package vrrptest

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"ngha/vrrp"
)

// Machine is what a world asks of a node's state machine. *vrrp.Machine is
// one; tests of the invariants put broken ones in its place.
type Machine interface {
	Step(now time.Time, ev vrrp.Event) []vrrp.Action
	Deadline() time.Time
	Status() vrrp.Status
	Member() vrrp.Member
}

// epoch is when every world begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// world is several nodes on one network in virtual time. Everything happens
// in the order of a queue, so that a world built and asked the same does the
// same.
type world struct {
	now   time.Time
	queue queue
	seq   uint64
	nodes []*node
	cut   map[direction]bool
	noise noise
	rand  *rand.Rand // nil: no noise at all

	newMachine func(vrrp.Config) (Machine, error)
	watch      []func(*step) // called after every step, its actions done
}

// noise is what the network does to packets when a world has a rand.
type noise struct {
	loss, duplicate float64 // probabilities
	delay           time.Duration
}

// wire is how long a packet travels when there is no noise.
const wire = 100 * time.Microsecond

// newWorld returns an empty world with machines of package vrrp.
func newWorld(r *rand.Rand) *world {
	return &world{
		now:  epoch,
		cut:  make(map[direction]bool),
		rand: r,
		newMachine: func(c vrrp.Config) (Machine, error) {
			return vrrp.NewMachine(c)
		},
	}
}

// step is one step of one node's machine and what came of it.
type step struct {
	node     *node
	now      time.Time
	event    vrrp.Event
	actions  []vrrp.Action
	before   vrrp.Status
	after    vrrp.Status
	deadline time.Time // the machine's deadline before the step
	lastLeft time.Time // when the node's last advertisement left before the step
}

// add puts a node into w, not yet started.
func (w *world) add(name string, c vrrp.Config) *node {
	n := &node{
		world: w,
		name:  name,
		addr:  netip.AddrFrom4([4]byte{198, 51, 100, byte(len(w.nodes) + 1)}),
		cfg:   c,
	}
	if c.Is6() {
		n.addr = netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(len(w.nodes) + 1)})
	}
	w.nodes = append(w.nodes, n)
	return n
}

// node returns the node called name.
func (w *world) node(name string) (*node, error) {
	i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no node %q", name)
	}
	return w.nodes[i], nil
}

// nameOf returns the name of the node at addr, or addr itself.
func (w *world) nameOf(addr netip.Addr) string {
	for _, n := range w.nodes {
		if n.addr == addr {
			return n.name
		}
	}
	return addr.String()
}

// after schedules f.
func (w *world) after(d time.Duration, f func()) { w.at(w.now.Add(d), f) }

func (w *world) at(t time.Time, f func()) {
	w.seq++
	heap.Push(&w.queue, item{t, w.seq, f})
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		next := heap.Pop(&w.queue).(item)
		w.now = next.at
		next.do()
	}
	w.now = end
}

// deliver sends adv from one node to those who are to hear it.
func (w *world) deliver(from *node, s vrrp.Send) {
	for _, to := range w.nodes {
		if to == from || to.lan != from.lan || w.cut[direction{from.addr, to.addr}] {
			continue
		}
		if from.cfg.Unicast && !slices.Contains(s.To, to.addr) {
			continue
		}
		copies := 1
		if w.rand != nil && w.rand.Float64() < w.noise.loss {
			copies = 0
		} else if w.rand != nil && w.rand.Float64() < w.noise.duplicate {
			copies = 2
		}
		for range copies {
			d := wire
			if w.rand != nil && w.noise.delay > 0 {
				d += time.Duration(w.rand.Int64N(int64(w.noise.delay)))
			}
			w.after(d, func() { to.hear(vrrp.Received{Src: from.addr, Adv: s.Adv}) })
		}
	}
}

// cutBoth and healBoth cut and heal both ways between a and b.
func (w *world) cutBoth(a, b *node) {
	w.cut[direction{a.addr, b.addr}] = true
	w.cut[direction{b.addr, a.addr}] = true
}

func (w *world) healBoth(a, b *node) {
	delete(w.cut, direction{a.addr, b.addr})
	delete(w.cut, direction{b.addr, a.addr})
}

// item is something that will happen.
type item struct {
	at  time.Time
	seq uint64 // of two at the same instant the one scheduled first comes first
	do  func()
}

// queue is a heap of items.
type queue []item

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(item)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = item{}
	*q = old[:len(old)-1]
	return last
}
