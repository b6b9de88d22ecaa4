package system_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ngha/testenv"
)

// The nodes cannot hear each other, and each has clients on its side: both
// serve, which nobody can prevent, and once they hear each other again the
// better one serves all.
func TestPartitionHeals(t *testing.T) {
	for name, row := range map[string]struct {
		priorities [2]int
		better     int
		vips       []string
	}{
		"the higher priority is better":                     {[2]int{200, 150}, 0, []string{vip}},
		"of equal priorities, the higher address is better": {[2]int{100, 100}, 1, []string{vip}},
		"likewise over IPv6, with an IPv4 address beside":   {[2]int{100, 100}, 1, []string{vip6, vip}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLAN(t, 0)
			s.vips = row.vips
			hooks := [2]journal{newJournal(s, "a"), newJournal(s, "b")}
			for i, h := range hooks {
				m := s.start(s.host(), testenv.Node{Priority: row.priorities[i], Router: "name: web", Config: h.config()})
				m.AwaitHealth("healthy")
				if i == 0 {
					s.settlesOn(m)
				}
			}
			s.b.AwaitState("backup")
			s.watch(s.vips...)
			better, worse := s.nodes[row.better], s.nodes[1-row.better]
			east := s.lab.Host("east")
			s.lan.Attach(east, "198.51.100.10/24", "2001:db8::10/64")
			s.servesTo(east, s.vips[0], s.a)
			s.announcedForLong(s.a)

			s.alone("the nodes are parted", func() {
				cut := s.lan.Partition(
					[]*testenv.Host{s.a.Host(), s.client},
					[]*testenv.Host{s.b.Host(), east},
				)
				s.servesTo(east, s.vips[0], s.b)
				s.servedBy(s.a)
				hooks[0].awaitRuns(s, "active", 1)
				hooks[1].awaitRuns(s, "active", 1)
				told := hooks[row.better].runs(s, "active")
				healed := time.Now()
				cut.Heal()
				whole := time.Now()
				s.found(better, s.client, east)
				s.settlesOn(better)
				s.yielded(worse, better, whole)
				s.capture.Await("the better one to announce itself to those whom the other has misled", limit,
					testenv.From(better.link), testenv.Announces(s.vips[0]), testenv.After(healed))
				hooks[row.better].awaitRuns(s, "active", told+1) // what they did may have been undone
				hooks[1-row.better].awaitLast(s, "backup")
			})
			s.contradicted(better)
			s.servesTo(east, s.vips[0], better)
			s.remains(better, 5)
			s.servesTo(east, s.vips[0], better)
		})
	}
}

// found waits until the kernels of the clients, which send nothing to the
// address meanwhile but for the probe's client, know m for its owner: by its
// announcements alone, and long before their own doubts would make them ask.
func (s *site) found(m *member, clients ...*testenv.Host) {
	s.Helper()
	const bound = 4 * time.Second // it takes less than one; the next announcement of a steady reign comes after a minute
	for _, c := range clients {
		s.lab.Await(fmt.Sprintf("%s to know that %s has %s", c, m.name, s.vips[0]), bound, func() error {
			if mac := c.Neighbor(s.vips[0]); mac.String() != m.link.MAC().String() {
				return fmt.Errorf("it has it at %s", s.lab.Owner(mac))
			}
			return nil
		})
	}
}

// yielded wants a node to have given way to a better one within one
// advertisement: since they hear each other it has claimed the address at most
// once after the first claim of the better one that it heard, to take its leave,
// and once at the same instant.
func (s *site) yielded(worse, better *member, healed time.Time) {
	s.Helper()
	first := s.capture.Await("a claim of "+better.name, limit, testenv.IsAdvert(vrid), testenv.From(better.link), testenv.After(healed))
	claims := s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(worse.link), testenv.After(first.At))
	if len(claims) > 2 {
		s.Errorf("%s claimed the address %d times after it had heard %s, at last with %v", worse.name, len(claims), better.name, claims[len(claims)-1])
	}
}

// contradicted waits until m tells, in its status and its metrics, that another
// one has claimed its address.
func (s *site) contradicted(m *member) {
	s.Helper()
	status := m.AwaitStatus("aware that another one was active", func(status testenv.Status) error {
		if status.VirtualRouters[0].Counters.Contradictions == 0 {
			return errors.New("it counts no contradiction")
		}
		return nil
	})
	v := status.VirtualRouters[0]
	awaitMetrics(s, m, fmt.Sprintf(`ngha_virtual_router_contradictions_total{name="%s",vrid="%d"} %d`, v.Name, v.VRID, v.Counters.Contradictions))
}

// announcedForLong waits until m has announced the address for the last time
// for a minute, unless something new makes it do so.
func (s *site) announcedForLong(m *member) {
	s.Helper()
	first := s.capture.Await("a reign to begin", limit, testenv.From(m.link), testenv.IsAdvert(vrid)).At
	s.capture.Await("the last announcement of a takeover", limit,
		testenv.From(m.link), testenv.Announces(s.vips[0]), testenv.After(first.Add(4*time.Second)))
}

// alone declares that while f runs the nodes may not hear each other, so that
// both may own the address.
func (s *site) alone(why string, f func()) {
	s.Helper()
	s.apart = append(s.apart, s.owners.during(why, 0, f))
}

// One node does not hear the other, who hears it well.
func TestOneWayLossHeals(t *testing.T) {
	t.Run("the backup is deaf", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, testenv.Node{}, testenv.Node{})
		s.alone("b does not hear a", func() {
			deaf := s.lan.Cut(s.a.Host(), s.b.Host())
			s.b.AwaitHolds(vip)
			s.b.AwaitState("active")
			// a contradicts and stays: it is the better one.
			s.advertises(s.a, 5)
			s.a.AwaitState("active")
			healed := time.Now()
			deaf.Heal()
			s.found(s.a, s.client)
			s.settlesOn(s.a)
			s.yielded(s.b, s.a, healed)
		})
		s.b.AwaitState("backup")
		s.contradicted(s.a)
		s.remains(s.a, 5)
	})
	t.Run("the active is deaf", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, testenv.Node{}, testenv.Node{})
		check := s.neverMoves()
		deaf := s.lan.Cut(s.b.Host(), s.a.Host())
		s.remains(s.a, 5)
		deaf.Heal()
		s.remains(s.a, 3)
		check()
	})
	// The better one comes back, and does not hear who serves.
	t.Run("the better one is deaf", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, testenv.Node{Failback: "never"}, testenv.Node{})
		s.a.Host().PowerOff()
		s.settlesOn(s.b)
		deaf := s.lan.LoseVRRP(s.b.Host(), s.a.Host(), 100)
		s.a.Host().PowerOn()
		s.a.Start()
		s.owners.during("a takes over from b, whom it does not hear", s.soon(), func() { s.settlesOn(s.a) })
		deaf.Heal()
		s.remains(s.a, 5)
	})
}

// Every third packet is lost. The better node never lets go; the other may take
// over now and then, when it has missed three in a row, and yields at the next
// that it hears.
func TestLossyNetworkEndsWithOneHolder(t *testing.T) {
	t.Parallel()
	const advertisements = 80
	s := newSite(t, testenv.Node{Interval: 100 * time.Millisecond}, testenv.Node{})
	_, leftBefore := s.a.moved(t)
	s.alone("a third of all packets is lost", func() {
		s.lan.Lose(s.a.Host(), s.b.Host(), 30)
		s.lan.Lose(s.b.Host(), s.a.Host(), 30)
		s.advertises(s.a, advertisements)
		s.lan.Heal()
		s.advertises(s.a, 2) // which b hears, before it can have waited too long
		s.settlesOn(s.a)
	})
	if _, left := s.a.moved(t); left != leftBefore {
		t.Errorf("the better node let go %d times", left-leftBefore)
	}
	// Three in a row are lost with probability 0.027.
	if became, _ := s.b.moved(t); became > advertisements/6 {
		t.Errorf("b took over %d times in %d intervals", became, advertisements)
	}
	s.remains(s.a, 10)
}

// Somebody removes the virtual address: a network manager, or a finger.
func TestStolenAddressComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{Interval: time.Second}, testenv.Node{})
	check := s.neverMoves()
	const thefts = 3
	waited := 0 // for the next advertisement, which would have brought it back anyway
	for range thefts {
		s.advertises(s.a, 1)
		stolen := time.Now()
		s.a.link.Steal(vip)
		s.a.AwaitHolds(vip)
		if len(s.capture.Frames().Where(testenv.From(s.a.link), testenv.IsAdvert(vrid), testenv.After(stolen))) > 0 {
			waited++
		}
		s.capture.Await("the address to be announced again", limit, testenv.From(s.a.link), testenv.Announces(vip), testenv.After(stolen))
		s.settlesOn(s.a)
	}
	if waited == thefts {
		t.Error("the address came back with the next advertisement only")
	}
	s.advertises(s.a, 3)
	s.settlesOn(s.a)
	check()
}
