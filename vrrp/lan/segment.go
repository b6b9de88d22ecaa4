package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ngha/vrrp"
)

// backlog is how many packets wait for one virtual router before further ones
// are lost: more than a router that is behind would want to hear.
const backlog = 256

// Packets that come in quick succession wait for each other, for a small part of
// the shortest interval. Those virtual routers of a node that speak at one moment
// need no longer than maxGather.
const (
	gatherPart = 50
	maxGather  = 2 * time.Millisecond
)

// wire is how the packets of one family enter and leave an interface. write may
// be called from several goroutines at a time.
type wire interface {
	// read gives deliver every packet that comes until there is an error, after
	// close net.ErrClosed. A packet's payload lasts until deliver returns. Packets
	// that come in quick succession may be read together, after the pause.
	read(pause func() time.Duration, deliver func(vrrp.Packet)) error
	// drain gives deliver what has come until now. It does not wait, and may be
	// called beside read.
	drain(deliver func(vrrp.Packet)) error
	sender
	// admit has the kernel drop what is for none of these.
	admit(vrids) error
	// join makes the interface a member of VRRP's multicast group, which leave
	// ends.
	join() error
	leave() error
}

// sender is how they leave it.
type sender interface {
	// write sends p's payload to p.Dst from the source, and does not wait.
	write(source netip.Addr, p vrrp.Packet) error
	close() error
}

// segment is what all virtual routers of one family on one interface share: a
// wire, whose packets it deals out to those whom they are for. Who does not
// take its packets loses them and keeps nobody waiting.
type segment struct {
	wire wire
	log  *slog.Logger

	reading sync.WaitGroup
	closed  chan struct{}

	mu      sync.Mutex
	members []*member
	gather  atomic.Int64 // what pause returns
}

// member is one virtual router's part of a segment.
type member struct {
	vrid      uint8
	multicast bool          // not only unicast
	interval  time.Duration // its Advertisement_Interval
	packets   chan vrrp.Packet
	lost      atomic.Uint64 // since nobody had taken those before
}

// newSegment begins to read from w.
func newSegment(w wire, log *slog.Logger) *segment {
	s := &segment{wire: w, log: log, closed: make(chan struct{})}
	s.reading.Go(s.read)
	return s
}

// join makes a virtual router one whose packets are wanted. There may be more
// than one member for a VRID: one that is about to leave, and its successor.
func (s *segment) join(vrid uint8, multicast bool, interval time.Duration) (*member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &member{vrid: vrid, multicast: multicast, interval: interval, packets: make(chan vrrp.Packet, backlog)}
	if multicast && !s.joined() {
		if err := s.wire.join(); err != nil {
			return nil, err
		}
	}
	s.members = append(s.members, m)
	if err := s.admit(); err != nil {
		return nil, errors.Join(err, s.remove(m))
	}
	return m, nil
}

// leave ends the membership.
func (s *segment) leave(m *member) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.remove(m), s.admit())
}

func (s *segment) remove(m *member) error {
	s.members = slices.DeleteFunc(s.members, func(other *member) bool { return other == m })
	if m.multicast && !s.joined() {
		return s.wire.leave()
	}
	return nil
}

// joined tells whether a member wants the multicast group.
func (s *segment) joined() bool {
	return slices.ContainsFunc(s.members, func(m *member) bool { return m.multicast })
}

// admit tells the kernel whose packets are wanted, and its reader how long they
// may wait for each other.
func (s *segment) admit() error {
	var set vrids
	gather := maxGather
	for _, m := range s.members {
		set.add(m.vrid)
		gather = min(gather, m.interval/gatherPart)
	}
	s.gather.Store(int64(gather))
	return s.wire.admit(set)
}

// pause is how long packets may wait for those behind them.
func (s *segment) pause() time.Duration { return time.Duration(s.gather.Load()) }

// read deals out packets until the segment is closed.
func (s *segment) read() {
	for {
		err := s.wire.read(s.pause, s.deliver)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.log.Warn("packets not read", "err", err)
		select {
		case <-time.After(100 * time.Millisecond): // an error that stays must not spin
		case <-s.closed:
			return
		}
	}
}

// drain deals out what has come until now.
func (s *segment) drain() {
	if err := s.wire.drain(s.deliver); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("packets not read", "err", err)
	}
}

// deliver gives p, which names a virtual router, to its members.
func (s *segment) deliver(p vrrp.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.vrid != p.Payload[1] {
			continue
		}
		p.Payload = slices.Clone(p.Payload)
		select {
		case m.packets <- p:
		default:
			m.lost.Add(1)
		}
	}
}

// close closes the wire. All members have left.
func (s *segment) close() error {
	close(s.closed)
	err := s.wire.close()
	s.reading.Wait()
	if err != nil {
		return fmt.Errorf("close sockets: %w", err)
	}
	return nil
}
