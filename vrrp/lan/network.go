package lan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Network is the interfaces and addresses of one network namespace, as the
// kernel tells of them, and what the virtual routers on them share: a process
// needs one, however many virtual routers it runs.
type Network struct {
	log  *slog.Logger
	pool pool
	wake chan struct{} // buffered for its one message: the watchers are others

	mu       sync.Mutex
	watchers []*watcher

	// The rest belongs to Run.

	table table
	port  uint32 // of netlink, by which the kernel names what this process did
	tags  bool   // it is known whether the kernel keeps tags
}

// NewNetwork returns a Network that does nothing until Run. A nil logger
// discards.
func NewNetwork(log *slog.Logger) *Network {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Network{log: log, wake: make(chan struct{}, 1)}
}

// Watch tells k from now on of the interface that s asks for, for as long as
// Run runs. When stop has returned k is not called any more; Ports stay with
// their receiver. An error says what is wrong with s. Any goroutine may call
// Watch and stop, the functions of k excepted.
func (n *Network) Watch(s Spec, k Sink) (stop func(), err error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	w := &watcher{spec: s, sink: k.withDefaults(), log: s.logger()}
	n.mu.Lock()
	n.watchers = append(n.watchers, w)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default: // it is awake already
	}
	return func() {
		n.mu.Lock()
		n.watchers = slices.DeleteFunc(n.watchers, func(other *watcher) bool { return other == w })
		n.mu.Unlock()
		w.stop()
	}, nil
}

// all returns the present watchers.
func (n *Network) all() []*watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.watchers)
}

// Run follows the kernel's notifications until ctx ends, and then returns nil.
// Any other end is an error: the kernel refuses the subscription. Every watcher
// is told of it, and Run may be called again.
func (n *Network) Run(ctx context.Context) error {
	learnByteOrder()
	err := n.run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	for _, w := range n.all() {
		if err != nil {
			w.down(fmt.Errorf("interfaces are not followed: %w", err))
		}
		w.forget()
	}
	return err
}

func (n *Network) run(ctx context.Context) error {
	requests, err := take(&n.pool, key{what: "netlink"}, openRequests)
	if err != nil {
		return err
	}
	n.port = requests.port
	defer func() {
		if err := n.pool.give(key{what: "netlink"}); err != nil {
			n.log.Warn("netlink not closed", "err", err)
		}
	}()
	sleep, err := openAlarm()
	if err != nil {
		return err
	}
	woken := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer sleep.close()
	wg.Go(func() {
		if err := watchSleep(sleep, woken); !errors.Is(err, os.ErrClosed) {
			n.log.Error("suspends are not noticed any more", "err", err)
		}
	})
	for {
		err := n.follow(ctx, woken)
		if !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		n.log.Debug("notifications of the kernel lost") // see all anew
	}
}

// watchSleep puts a token into woken after each suspend, until a is closed.
func watchSleep(a *alarm, woken chan<- struct{}) error {
	before, err := timeAsleep()
	for err == nil {
		if err = a.wait(); err != nil {
			break
		}
		var now time.Duration
		if now, err = timeAsleep(); err == nil && slept(before, now) {
			select {
			case woken <- struct{}{}:
			default: // one that waits tells as much
			}
		}
		before = now
	}
	return err
}

// notice is what came from the kernel's subscription.
type notice struct {
	updates []update
	err     error
}

// follow subscribes, lists what there is, and follows the changes until ctx
// ends or notifications are lost.
func (n *Network) follow(ctx context.Context, woken <-chan struct{}) error {
	sub, err := subscribe()
	if err != nil {
		return err
	}
	notices, done := make(chan notice), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	defer sub.close()
	wg.Go(func() { read(sub, notices, done) })

	// What changes meanwhile is in the list, or comes as a notice, or both.
	if n.table, err = list(); err != nil {
		return err
	}
	for _, w := range n.all() {
		w.relisted(n)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	ignoring := false
	for {
		if n.tags && !ignoring {
			if err := ignoreInstalled(sub, n.port); err != nil {
				return err
			}
			ignoring = true
		}
		if next := n.due(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case notice := <-notices:
			if notice.err != nil {
				return fmt.Errorf("receive notifications of interfaces and addresses: %w", notice.err)
			}
			n.update(notice.updates)
		case <-woken:
			for _, w := range n.all() {
				w.tell(w.sink.Suspended)
			}
		case <-n.wake:
			n.settle(func(w *watcher) bool { return !w.settled })
		case now := <-timer.C:
			n.settle(func(w *watcher) bool { return w.due(now) })
		}
	}
}

// read hands on notices until there is an error, the last one.
func read(sub *socket, notices chan<- notice, done <-chan struct{}) {
	b := make([]byte, maxNotice)
	for {
		updates, err := receive(sub, b)
		select {
		case notices <- notice{updates, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

// due is when a watcher wants to be settled without a notice; zero: none does.
func (n *Network) due() time.Time {
	var next time.Time
	for _, w := range n.all() {
		if d := w.deadline(); !d.IsZero() && (next.IsZero() || d.Before(next)) {
			next = d
		}
	}
	return next
}

// settle settles those of the watchers.
func (n *Network) settle(which func(*watcher) bool) {
	for _, w := range n.all() {
		if which(w) {
			w.settle(n)
		}
	}
}

// update takes in changes.
func (n *Network) update(updates []update) {
	changed := false
	lost := make(map[*watcher]*Port) // whose Port had an address taken away
	for _, u := range updates {
		matters := n.matters(u)
		changed = n.table.apply(u) && matters || changed
		switch {
		case u.addr == nil:
		case !u.gone:
			n.checkTag(u)
		case u.by != n.port:
			if w := n.holder(u.addr); w != nil && w.port.held.Load() {
				lost[w] = w.port
			}
		}
	}
	if changed {
		n.settle(func(*watcher) bool { return true })
	}
	for w, p := range lost {
		if p == w.port {
			p.removed()
		}
	}
}

// holder is the watcher whose Port has a for one of its addresses, or nil.
func (n *Network) holder(a *address) *watcher {
	all := n.all()
	at := slices.IndexFunc(all, func(w *watcher) bool { return w.holder(a) })
	if at < 0 {
		return nil
	}
	return all[at]
}

// matters tells whether u, which was not applied yet, can change where anybody
// belongs: what is and stays a virtual address, or an interface for some, cannot.
func (n *Network) matters(u update) bool {
	if u.addr == nil {
		return u.gone || !u.link.face
	}
	if !u.addr.tagged {
		return true
	}
	at := slices.IndexFunc(n.table.addrs, u.addr.same)
	return at >= 0 && !n.table.addrs[at].tagged
}

// checkTag looks whether the kernel has kept the tag of the first address that
// was installed here.
func (n *Network) checkTag(u update) {
	if n.tags {
		return
	}
	// Of an IPv6 address the kernel does not tell who asked for it.
	ours := u.by == n.port || u.by == 0 && u.addr.local.Addr().Is6() && n.holder(u.addr) != nil
	if !ours {
		return
	}
	n.tags = true
	if !u.addr.tagged {
		n.log.Warn("this kernel does not mark addresses: what a killed run leaves stays until its lease ends", "address", u.addr.local)
	}
}
