package supervisor

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"ngha/supervisor/notify"
)

// tidings are what a service manager is to know beside the status.
type tidings struct {
	ready   bool          // nginx runs, and its health and the routers' part are known; stays so
	reloads uint64        // how many have begun
	begun   time.Duration // when the last one did, by notify.Now
	loading bool          // it goes on
	ending  bool
	patient bool // the end takes as long as nginx wants
}

// herald tells the service manager of the node, beside the loop, which must not
// wait for it. What it is given it tells in order, and what a manager that hangs
// has missed later, as far as it still matters.
type herald struct {
	socket *notify.Socket // nil: nobody is told
	wake   chan struct{}  // buffered for its one message
	latest atomic.Pointer[tidings]
	silent atomic.Bool // the last message did not arrive

	// The rest belongs to the loop.
	news tidings
}

func newHerald(socket *notify.Socket) *herald {
	h := &herald{socket: socket, wake: make(chan struct{}, 1)}
	h.latest.Store(&tidings{})
	return h
}

// tell gives the news out.
func (h *herald) tell(change func(*tidings)) {
	before := h.news
	if change(&h.news); h.news == before {
		return
	}
	now := h.news
	h.latest.Store(&now)
	select {
	case h.wake <- struct{}{}:
	default: // it is awake already
	}
}

// tellManager tells until ctx ends.
func (s *Supervisor) tellManager(ctx context.Context) {
	if s.herald.socket == nil {
		return
	}
	tick := time.NewTicker(time.Second) // what the routers do shows in the status
	defer tick.Stop()
	var told tidings
	var said string
	for {
		now := *s.herald.latest.Load()
		sentence := s.sentence()
		for _, m := range told.missing(now, s.endLimit()) {
			if !s.send(append(m.messages, notify.Status(sentence))...) {
				break
			}
			told, said = m.told, sentence
		}
		if sentence != said && s.send(notify.Status(sentence)) {
			said = sentence
		}
		select {
		case <-ctx.Done():
			return
		case <-s.herald.wake:
		case <-tick.C:
		}
	}
}

// news are messages, and what has been told when they have arrived.
type news struct {
	messages []string
	told     tidings
}

// missing is what to tell one after the other, so that now has been told.
func (t tidings) missing(now tidings, endLimit time.Duration) (list []news) {
	add := func(messages ...string) { list = append(list, news{messages, t}) }
	switch {
	case now.ready && !t.ready:
		t.ready, t.reloads = true, now.reloads // what was loaded on the way is part of the start
		t.loading = now.loading
		add(notify.Ready)
	case now.ready && now.reloads != t.reloads:
		t.reloads, t.loading = now.reloads, true
		add(notify.Reloading(now.begun))
	}
	if t.loading && !now.loading {
		t.loading = false
		add(notify.Ready)
	}
	if now.ending && !t.ending {
		t.ending = true
		add(notify.Stopping, notify.ExtendTimeout(endLimit))
	}
	return list
}

// endLimit is how long an orderly end may take, with something to spare.
func (s *Supervisor) endLimit() time.Duration { return s.config.Nginx.Shutdown + 10*time.Second }

// sentence is the status in a line.
func (s *Supervisor) sentence() string {
	st := s.Status()
	sentence, _ := Summary(st)
	if n := len(st.Warnings); n > 0 {
		sentence += "; warning: " + st.Warnings[0]
		if n > 1 {
			sentence += fmt.Sprintf("; and %d more in `ngha status`", n-1)
		}
	}
	return sentence
}

// send reports whether messages have arrived.
func (s *Supervisor) send(messages ...string) bool {
	err := s.herald.socket.Send(messages...)
	if err != nil && !s.herald.silent.Swap(true) {
		s.log.Warn("the service manager does not listen", "err", err)
	}
	if err == nil {
		s.herald.silent.Store(false)
	}
	return err == nil
}

// pulseEvery is the pace of signs of life for a manager that asks for none.
const pulseEvery = 10 * time.Second

// pulse gives signs of life until ctx ends, each of them when the loop and the
// routers' loops have come round. Who watches over an end is the manager's limit
// for it.
func (s *Supervisor) pulse(ctx context.Context) {
	if s.herald.socket == nil {
		return
	}
	every := pulseEvery
	if w := s.herald.socket.Watchdog; w > 0 {
		every = w / 2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for s.round(ctx) {
		var messages []string
		if s.herald.socket.Watchdog > 0 {
			messages = append(messages, notify.Alive)
		}
		if now := s.herald.latest.Load(); !now.ready || now.patient {
			messages = append(messages, notify.ExtendTimeout(3*every))
		}
		if len(messages) > 0 {
			s.send(messages...)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// round waits until every loop has come round, or is over. It reports whether
// ctx goes on.
func (s *Supervisor) round(ctx context.Context) bool {
	select {
	case s.turned <- struct{}{}:
	case <-s.over:
	case <-ctx.Done():
	}
	for _, v := range s.routers {
		select {
		case <-v.router.Turn():
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
