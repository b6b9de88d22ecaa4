package lan

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

// second is another virtual router than spec's.
func second() Spec {
	s := spec("198.51.100.101/32")
	s.VRID = 8
	return s
}

func TestWatchersComeAndGoWhileOthersStay(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	one := w.port()
	other := newWatched(t, w.network, second(), func(event) {})
	two := other.port()
	acquire(t, one)
	acquire(t, two)

	other.unwatch()
	h.Links()[0].Steal("198.51.100.101/32")
	h.Links()[0].Steal(vip)
	w.removed()
	h.Links()[0].PortDown()
	w.first("no carrier")
	if n := len(other.events); n > 0 {
		t.Errorf("after it was stopped a watcher was told %d things, the first: %q", n, <-other.events)
	}
}

// TestEachHearsOfItsOwnAddress: what is taken from one is nothing to the other.
func TestEachHearsOfItsOwnAddress(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	other := newWatched(t, w.network, second(), func(event) {})
	acquire(t, w.port())
	acquire(t, other.port())
	h.Links()[0].Steal("198.51.100.101/32")
	other.removed()
	h.Links()[0].PortDown()
	w.first("no carrier")
	other.first("no carrier")
}

// TestPortOfAStoppedWatcherIsClosed: it was opened while the watcher was
// stopped.
func TestPortOfAStoppedWatcherIsClosed(t *testing.T) {
	_, h := solo(t)
	n := NewNetwork(nil)
	w := newWatched(t, n, spec(vip), func(event) {})
	n.all()[0].stop() // but not taken from the list yet
	w.run(h)
	other := newWatched(t, n, second(), func(event) {})
	p := other.port()
	if len(w.events) > 0 {
		t.Errorf("told %q", <-w.events)
	}
	p.segment.mu.Lock()
	got := len(p.segment.members)
	p.segment.mu.Unlock()
	if got != 1 {
		t.Errorf("%d ports are open, want one", got)
	}
}

// TestClosedPortIsLeftInPeace: its receiver has ended, and takes its faces with it.
func TestClosedPortIsLeftInPeace(t *testing.T) {
	_, h := solo(t)
	s := spec(vip, "2001:db8::100/128")
	s.VirtualMAC = true
	w := watch(t, h, s)
	other := newWatched(t, w.network, second(), func(event) {})
	p := w.port()
	other.port()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	h.Links()[0].PortDown()
	other.first("no carrier")
	if n := len(w.events); n > 0 {
		t.Errorf("after it was closed its watcher was told %d things, the first: %q", n, <-w.events)
	}
}

func TestNetworkMayRunAgain(t *testing.T) {
	_, h := solo(t)
	w := watch(t, h, spec(vip))
	before := w.port()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.run(h)
	after := w.port()
	if before == after {
		t.Error("the same Port again")
	}
	acquire(t, after)
	h.Links()[0].Steal(vip)
	w.removed()
	if err := before.Close(); err != nil {
		t.Error(err)
	}
	write(t, after, group, 0x31, 7)
}

func TestListThatChangesMeanwhileIsListedAnew(t *testing.T) {
	for interrupted, want := range map[int]error{0: nil, 5: nil, 1000: nl.ErrDumpInterrupted} {
		asked := 0
		got, err := whole(func() (int, error) {
			if asked++; asked <= interrupted {
				return 0, nl.ErrDumpInterrupted
			}
			return asked, nil
		})
		if !errors.Is(err, want) || err == nil && got != interrupted+1 {
			t.Errorf("interrupted %d times: %d, %v, want %v", interrupted, got, err, want)
		}
	}
}
