package lan

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// together is how long a lease waits to be renewed with others, of virtual
	// routers that advertise at the same moment: the kernel looks through all
	// addresses of the machine after each renewal.
	together = 2 * time.Millisecond
	// stale is after how long a renewal is not made any more: the process has not
	// been running, and others have the addresses.
	stale = 100 * time.Millisecond
	// atOnce is how many addresses are renewed by one message to the kernel. A
	// socket has room for the answers, should each be refused: one that has not
	// loses those to later requests, too.
	atOnce = 100
)

// renewals are the leases that wait to be renewed. The zero value has none.
type renewals struct {
	mu   sync.Mutex
	list []renewal
}

type renewal struct {
	port  *Port
	asked time.Time
}

func (q *renewals) add(p *Port) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, renewal{p, time.Now()})
}

func (q *renewals) take() []renewal {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}

// renew has the leases of p renewed in a moment. Where that fails p is told.
func (r *requests) renew(p *Port) {
	r.renewals.add(p)
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

// renewAll renews what is asked for until the socket is closed.
func (r *requests) renewAll() {
	for {
		select {
		case <-r.wake:
		case <-r.closed:
			return
		}
		time.Sleep(together)
		failed, err := r.renewNow()
		for _, p := range failed {
			p.notRenewed(err)
		}
	}
}

// renewNow renews what waits, and returns the Ports of which it could not, and
// why.
func (r *requests) renewNow() (failed []*Port, err error) {
	// What is released meanwhile is released after this.
	r.mu.Lock()
	defer r.mu.Unlock()
	var due []dueLease
	for _, w := range r.renewals.take() {
		if !w.port.installed.Load() {
			continue // it was released, or is to be installed anew
		}
		if time.Since(w.asked) > stale {
			failed, err = append(failed, w.port), errors.New("it is too late")
			continue
		}
		for _, m := range w.port.leases {
			due = append(due, dueLease{w.port, m})
		}
	}
	for some := range slices.Chunk(due, atOnce) {
		if refused, rerr := r.renewSome(some); rerr != nil {
			failed, err = append(failed, refused...), rerr
		}
	}
	return failed, err
}

type dueLease struct {
	port    *Port
	renewal message
}

// renewSome is renewNow for what goes into one message. The caller has the lock.
func (r *requests) renewSome(leases []dueLease) (failed []*Port, err error) {
	first := r.sequence + 1
	r.batch = r.batch[:0]
	for _, l := range leases {
		r.sequence++
		at := len(r.batch)
		r.batch = append(r.batch, l.renewal...)
		r.batch[at:].finish(r.sequence, len(l.renewal))
	}
	refused, err := r.askAll(r.batch, first)
	if err != nil {
		for _, l := range leases {
			failed = append(failed, l.port)
		}
		return failed, err
	}
	for i, why := range refused {
		failed, err = append(failed, leases[i].port), why
	}
	return failed, err
}
