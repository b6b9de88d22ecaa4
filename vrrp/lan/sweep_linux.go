package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sweepGroup is the kernel's group of interfaces into which faces come that are to
// be deleted: "ngha". Nothing else may be in it.
const sweepGroup = 0x6e676861

// sweeper sets faces down and deletes them, in its own time: the kernel takes many
// milliseconds for each that it does alone, and no longer for a hundred that it
// deletes together.
type sweeper struct {
	requests *requests                        // its own: nobody waits behind it
	others   func(group uint32) (bool, error) // are there interfaces in it that are no faces?

	wake    chan struct{} // buffered for its one message: there is something to do
	closed  chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	hidden []*face
	doomed []doom
}

// doom is a face that is to be deleted.
type doom struct {
	face *face
	done chan<- error // buffered for its one message
}

// openSweeper must be called in the network namespace of the faces.
func openSweeper(others func(group uint32) (bool, error)) (*sweeper, error) {
	r, err := openRequests()
	if err != nil {
		return nil, err
	}
	s := &sweeper{requests: r, others: others, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	s.running.Go(s.run)
	return s, nil
}

// close waits for what it is about. No face is left to it.
func (s *sweeper) close() error {
	close(s.closed)
	s.running.Wait()
	return s.requests.close()
}

// hide sets f down, unless it is shown again by then.
func (s *sweeper) hide(f *face) {
	s.want(func() { s.hidden = append(s.hidden, f) })
}

// remove deletes f, and says so.
func (s *sweeper) remove(f *face) <-chan error {
	done := make(chan error, 1)
	s.want(func() { s.doomed = append(s.doomed, doom{f, done}) })
	return done
}

func (s *sweeper) want(add func()) {
	s.mu.Lock()
	add()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (s *sweeper) run() {
	for {
		select {
		case <-s.wake:
		case <-s.closed:
			return
		}
		time.Sleep(together)
		for s.sweep() {
		}
	}
}

// sweep deletes what is to be deleted or, if there is nothing, sets one face down;
// false: there is nothing to do.
func (s *sweeper) sweep() bool {
	s.mu.Lock()
	doomed := s.doomed
	s.doomed = nil
	var hidden *face
	if len(doomed) == 0 && len(s.hidden) > 0 {
		hidden, s.hidden = s.hidden[0], s.hidden[1:]
	}
	s.mu.Unlock()
	switch {
	case len(doomed) > 0:
		s.removeAll(doomed)
	case hidden != nil:
		hidden.down()
	}
	return len(doomed) > 0 || hidden != nil
}

// removeAll deletes these faces: together, or else one by one.
func (s *sweeper) removeAll(doomed []doom) {
	err := errors.New("it is one alone")
	if len(doomed) > 1 {
		err = s.removeTogether(doomed)
	}
	for _, d := range doomed {
		if err != nil {
			d.done <- ignoreGone(s.requests.do(aboutLink(unix.RTM_DELLINK, unix.NLM_F_ACK, d.face.index)))
		} else {
			d.done <- nil
		}
	}
}

func (s *sweeper) removeTogether(doomed []doom) error {
	for _, d := range doomed {
		m := aboutLink(unix.RTM_SETLINK, unix.NLM_F_ACK, d.face.index).attribute(unix.IFLA_GROUP, number(sweepGroup))
		if err := ignoreGone(s.requests.do(m)); err != nil {
			return err
		}
	}
	if others, err := s.others(sweepGroup); err != nil || others {
		return errors.Join(err, errors.New("somebody else uses the group"))
	}
	return s.requests.do(aboutLink(unix.RTM_DELLINK, unix.NLM_F_ACK, 0).attribute(unix.IFLA_GROUP, number(sweepGroup)))
}

// ignoreGone is err, unless that is that there is no such interface.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// setDown asks for an interface to be set down.
func setDown(index int) message {
	const change = 28 // where struct ifinfomsg, behind the header, has which flags are meant
	m := aboutLink(unix.RTM_NEWLINK, unix.NLM_F_ACK, index)
	binary.NativeEndian.PutUint32(m[change:], unix.IFF_UP)
	return m
}

// show lets the face receive and answer. It waits only while the face is being set
// down, at most.
func (f *face) show() error {
	f.shown.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.parent.handle.LinkSetUp(f.link); err != nil {
		return fmt.Errorf("set %s up: %w", f.link.Attrs().Name, err)
	}
	return nil
}

// hide ends that, in a moment.
func (f *face) hide() {
	f.shown.Store(false)
	f.parent.sweeper.hide(f)
}

// down sets the face down if it is still to be so. It is no error when it is gone.
func (f *face) down() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shown.Load() {
		return
	}
	if err := ignoreGone(f.parent.sweeper.requests.do(setDown(f.index))); err != nil {
		f.log.Warn("interface not set down", "iface", f.link.Attrs().Name, "err", err)
	}
}
