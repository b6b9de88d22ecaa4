package system_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

const (
	vrid = 51
	vip  = "198.51.100.100"
	vip6 = "2001:db8::100"

	// fast is the Advertisement_Interval of a test that does not ask for
	// another.
	fast = 300 * time.Millisecond

	// limit is how long is waited for what must happen, far beyond all timers.
	limit = 40 * time.Second

	// unhurried is for nodes of tests that are not about how fast this machine
	// is: nobody need answer within a second after a crash.
	unhurried = "nginx: {repair: 20s}\nhealth: {timeout: 10s}\n"
	// byHand is for nodes that are to reload when they are told to, and only then.
	byHand = "nginx: {reload: manual, repair: 20s}\nhealth: {timeout: 10s}\n"

	// patience is how long a client waits for an answer where only a node that
	// does not serve is to be a failure, and not a busy machine.
	patience = 15 * time.Second

	httpPace = 20 * time.Millisecond
	arpPace  = 10 * time.Millisecond
)

// site is one LAN: up to three nodes, a client whom they serve, and a watcher
// whom no fault concerns.
type site struct {
	*testing.T
	lab      *testenv.Lab
	lan      *testenv.Bridge
	client   *testenv.Host
	watcher  *testenv.Link
	interval time.Duration
	release  string   // of Debian, whose nginx the nodes run; "": this machine's
	vips     []string // of the nodes whose configuration does not say
	capture  *testenv.Capture
	nodes    []*member
	a, b, c  *member

	probe  *testenv.Probe
	owners *ownerLaw
	apart  []window // in which nodes could not hear each other
}

// member is a node of a site.
type member struct {
	*testenv.Node
	name string
	link *testenv.Link
}

// newSite starts nodes a, b and c, as many as configurations are given, and
// returns when a serves and the others are ready to. Unless the configuration says otherwise they are of
// one virtual router and have priority 200, 150 and 100.
func newSite(t *testing.T, configs ...testenv.Node) *site {
	t.Helper()
	return newSiteOf(t, "", configs...)
}

// newSiteOf is newSite with the nginx of a release.
func newSiteOf(t *testing.T, release string, configs ...testenv.Node) *site {
	t.Helper()
	s := newLAN(t, configs[0].Interval)
	s.release = release
	s.populate(configs...)
	return s
}

// populate does what newSite says in a site without nodes.
func (s *site) populate(configs ...testenv.Node) {
	s.Helper()
	// One after the other: who is there first keeps the address if the
	// configuration says so.
	for i, c := range configs {
		m := s.start(s.host(), c)
		if i == 0 {
			s.settlesOn(m)
			continue
		}
		m.AwaitHealth("healthy")
		m.AwaitState("backup")
	}
	s.watch(s.vips...)
}

// newLAN returns a site without nodes. Interval is the Advertisement_Interval
// of its nodes; 0 means fast.
func newLAN(t *testing.T, interval time.Duration) *site {
	t.Helper()
	if interval == 0 {
		interval = fast
	}
	s := &site{T: t, lab: testenv.New(t), interval: interval, vips: []string{vip}}
	s.lan = s.lab.Bridge("lan")
	s.client = s.lab.Host("client")
	s.lan.Attach(s.client, "198.51.100.9/24", "2001:db8::9/64")
	s.watcher = s.lan.Attach(s.lab.Host("watcher"), "198.51.100.8/24", "2001:db8::8/64")
	s.capture = s.lan.Capture()
	t.Cleanup(s.wire)
	return s
}

// host adds the host of the next node, attached to the LAN.
func (s *site) host() *testenv.Link {
	s.Helper()
	n := len(s.nodes)
	return s.lan.Attach(s.lab.Host("abc"[n:n+1]), fmt.Sprintf("198.51.100.%d/24", n+1), fmt.Sprintf("2001:db8::%d/64", n+1))
}

// start starts the next node, at the end of link.
func (s *site) start(link *testenv.Link, c testenv.Node) *member {
	s.Helper()
	if c.VRID == 0 && c.Priority >= 0 {
		c.VRID, c.VIPs = vrid, s.vips
		if c.Priority == 0 {
			c.Priority = 200 - 50*len(s.nodes)
		}
		c.Interval = s.interval
	}
	c.RealTime = true
	link.Host().SetRoot(s.lab.Root(s.release))
	m := &member{link: link, name: link.Host().Name(), Node: s.lab.StartNode(link.Host(), c)}
	s.nodes = append(s.nodes, m)
	*[]**member{&s.a, &s.b, &s.c}[len(s.nodes)-1] = m
	return m
}

// watch begins to ask for addresses, for the first one by HTTP from the client,
// and by ARP or Neighbor Solicitations for all from the watcher. The law of one
// owner holds from now on.
func (s *site) watch(addresses ...string) {
	s.Helper()
	s.probe = s.client.ProbeHTTPWithin("http://"+inURL(addresses[0])+"/", httpPace, patience)
	s.owners = newOwnerLaw(s.T, s.watcher, addresses...)
}

// wire checks at the end what must hold on every wire.
func (s *site) wire() {
	frames := s.capture.Frames()
	if err := frames.TTL255(); err != nil {
		s.Error(err)
	}
	together := frames.Where(func(f testenv.Frame) bool {
		return !slices.ContainsFunc(s.apart, func(w window) bool { return w.covers(f.At) })
	})
	if err := together.NoTwoSpeakers(vrid, s.soon()); err != nil {
		s.Error(err)
	}
	// What is sent to one peer waits in the kernel while that peer does not answer
	// ARP.
	multicast := frames.Where(func(f testenv.Frame) bool { return f.Advert == nil || f.IP.Dst.IsMulticast() })
	if err := multicast.AnnouncedAtOnce(vrid); err != nil {
		s.Error(err)
	}
	if err := frames.QuietAfterRelease(vrid, s.interval); err != nil {
		s.Error(err)
	}
}

// soon is how long two nodes that hear each other may both claim the address: an
// interval, and another one for a busy machine.
func (s *site) soon() time.Duration { return 2 * s.interval }

// ask gets / from an address over a connection of its own and returns the name
// of the node that answered.
func ask(from *testenv.Host, address string) (string, error) {
	client := from.HTTPClient()
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+inURL(address)+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s from %s", resp.Status, resp.Header.Get("X-Node"))
	}
	return resp.Header.Get("X-Node"), nil
}

// asks wants an address to be answered by the node of that name.
func asks(from *testenv.Host, address, name string) error {
	server, err := ask(from, address)
	if err == nil && server != name {
		err = fmt.Errorf("%s answered", server)
	}
	return err
}

// inURL is an address as it stands in a URL.
func inURL(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// servedBy waits until new connections from the client to the virtual addresses
// are answered by m, and the client's kernel knows m for their owner.
func (s *site) servedBy(m *member) {
	s.Helper()
	for _, address := range s.vips {
		s.servesTo(s.client, address, m)
	}
}

func (s *site) servesTo(client *testenv.Host, address string, m *member) {
	s.Helper()
	s.lab.Await(fmt.Sprintf("%s to be served by %s at %s", client, m.name, address), limit, func() error {
		err := asks(client, address, m.name)
		if mac := client.Neighbor(address).String(); err == nil && mac != m.link.MAC().String() {
			err = fmt.Errorf("its entry for it is %s, want %v", mac, m.link.MAC())
		}
		return err
	})
}

// answers waits until m answers the client at one of its own addresses.
func (s *site) answers(address string, m *member) {
	s.Helper()
	s.lab.Await(m.name+" to answer at "+address, limit, func() error { return asks(s.client, address, m.name) })
}

// settlesOn waits until m serves, holds the addresses, and nobody else does.
func (s *site) settlesOn(m *member) {
	s.Helper()
	for _, address := range s.vips {
		m.AwaitHolds(address)
	}
	s.servedBy(m)
	for _, other := range s.nodes {
		for _, address := range s.vips {
			if other != m {
				other.AwaitGone(address)
			}
		}
	}
}

// remains lets m advertise so many more times and then wants everything to be
// as it was: m has served and held the address all the while.
func (s *site) remains(m *member, advertisements int) {
	s.Helper()
	since := time.Now()
	s.advertises(m, advertisements)
	for _, f := range s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.After(since)) {
		if f.Src.String() != m.link.MAC().String() {
			s.Errorf("while %s was active another one spoke: %v", m.name, f)
		}
	}
	for _, sample := range s.probe.Result().Samples {
		if sample.Started.After(since) && (sample.Server != m.name || sample.Failure != "") {
			s.Errorf("while %s was active the client was answered by %q: %s", m.name, sample.Server, sample.Failure)
		}
	}
	s.settlesOn(m)
}

// advertises waits until so many more advertisements of m were on the wire.
func (s *site) advertises(m *member, count int) {
	s.Helper()
	since := time.Now()
	s.lab.Await(fmt.Sprintf("%d advertisements of %s", count, m.name), limit, func() error {
		got := s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(m.link), testenv.After(since))
		if len(got) < count {
			return fmt.Errorf("there were %d", len(got))
		}
		return nil
	})
}

// saidFarewell wants m's last advertisement to be one of Priority 0.
func (s *site) saidFarewell(m *member) {
	s.Helper()
	said := s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(m.link))
	if n := len(said); n == 0 || said[n-1].Advert.Priority != 0 {
		s.Errorf("%s left without Priority 0", m.name)
	}
}

// failsBack has a come back, by f, and wants it to take over from b as its
// configuration says. It returns when f was called.
func (s *site) failsBack(failback string, f func()) (since time.Time) {
	s.Helper()
	since = time.Now()
	if failback == "never" {
		f()
		s.a.AwaitHealth("healthy")
		s.a.AwaitState("backup")
		s.remains(s.b, 10)
		return since
	}
	s.owners.during("a takes over from b", s.soon(), func() {
		f()
		s.settlesOn(s.a)
	})
	if failback == "now" {
		return since
	}
	var after time.Duration
	if _, err := fmt.Sscanf(failback, "after %ds", &after); err != nil {
		s.Fatal(err)
	}
	claim := s.capture.Await("a claim of a", limit, testenv.IsAdvert(vrid), testenv.From(s.a.link), testenv.After(since))
	if waited := claim.At.Sub(since); waited < after*time.Second {
		s.Errorf("a took over %v after it came back, want at least %ds", waited, after)
	}
	return since
}

// listened fails the test when m, which was woken or started at since, has
// claimed the address before an Active_Down_Interval of listening.
func (s *site) listened(m *member, since time.Time) {
	s.Helper()
	claims := s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(m.link), testenv.After(since))
	if len(claims) > 0 && claims[0].At.Sub(since) < 3*s.interval {
		s.Errorf("%s claimed the address %v after it was woken, without having listened", m.name, claims[0].At.Sub(since))
	}
}

// moved reports how often m has become active and has left that.
func (m *member) moved(t *testing.T) (became, left uint64) {
	t.Helper()
	status, err := m.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range status.VirtualRouters {
		became += v.Counters.BecameActive
		left += v.Counters.LeftActive
	}
	return became, left
}

// neverMoves returns a check that no node has changed its role since.
func (s *site) neverMoves() (check func()) {
	s.Helper()
	moves := func() []uint64 {
		s.Helper()
		var all []uint64
		for _, m := range s.nodes {
			became, left := m.moved(s.T)
			all = append(all, became, left)
		}
		return all
	}
	before := moves()
	return func() {
		s.Helper()
		if after := moves(); !slices.Equal(before, after) {
			s.Errorf("roles changed: each node had become active and left that %v times, now %v", before, after)
		}
	}
}
