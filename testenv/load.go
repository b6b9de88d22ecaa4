package testenv

import (
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// Clients are who make a load. Those whose number is 0 are not there.
type Clients struct {
	// New connections are begun so often a second, whether or not those before
	// have been answered. There is one request on each.
	New int
	// KeepAlive is how many clients ask on a connection that they keep, one
	// request after the other.
	KeepAlive int
	// Think is how long such a client waits from an answer to its next request.
	Think time.Duration
	// Downloads is how many clients download what takes seconds, again and again,
	// each time by a new connection.
	Downloads int
	// Limit is how long one request may take; 0 means 15 s.
	Limit time.Duration
}

// loadLimit is beyond the times at which the kernel sends a lost SYN again: after
// 1, 3 and 7 s.
const loadLimit = 15 * time.Second

// Load is clients of one server. They follow HTTP: a request that a kept
// connection is closed upon before a byte of the answer, as a server may close an
// idle connection at any time, is made once more on a new one (RFC 9112 section
// 9.3.1), and counted.
type Load struct {
	lab     *Lab
	clients Clients
	sockets *thread
	to      string // address:port

	probe     *Probe // nil: no new connections
	regulars  []*regular
	downloads []*download

	quit    chan struct{}
	stop    sync.Once
	pending sync.WaitGroup
	result  LoadResult
}

// StartLoad has clients on h ask for url, whose host is an address, until Stop or
// the lab's end. Those who download ask that server for [SlowPath].
func (h *Host) StartLoad(url string, c Clients) *Load {
	h.lab.t.Helper()
	if c.Limit == 0 {
		c.Limit = loadLimit
	}
	l, err := h.newLoad(url, c)
	if err != nil {
		h.lab.t.Fatalf("load %s from %s: %v", url, h.name, err)
	}
	h.lab.atEnd(func() { l.Stop() })
	l.start()
	return l
}

func (h *Host) newLoad(address string, c Clients) (*Load, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	l := &Load{lab: h.lab, clients: c, to: socketAddress(u), quit: make(chan struct{})}
	if l.sockets, err = h.net.join(); err != nil {
		return nil, err
	}
	if c.New > 0 {
		if l.probe, err = h.newProbe(address, time.Second/time.Duration(c.New), c.Limit); err != nil {
			l.sockets.close()
			return nil, err
		}
	}
	for range c.KeepAlive {
		l.regulars = append(l.regulars, &regular{load: l, request: getRequest(u.RequestURI(), u.Host, true)})
	}
	for range c.Downloads {
		l.downloads = append(l.downloads, &download{load: l, request: getRequest(SlowPath, u.Host, false)})
	}
	return l, nil
}

// socketAddress is where u's server listens.
func socketAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// getRequest is the whole of an HTTP request.
func getRequest(uri, host string, keep bool) []byte {
	connection := "Connection: close\r\n"
	if keep {
		connection = ""
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", uri, host, connection)
}

func (l *Load) start() {
	if l.probe != nil {
		l.probe.pending.Go(l.probe.run)
	}
	for _, r := range l.regulars {
		l.pending.Go(r.run)
	}
	for _, d := range l.downloads {
		l.pending.Go(d.run)
	}
}

func (l *Load) ended() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// wait lets time pass, and reports whether the load goes on.
func (l *Load) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-l.quit:
		return false
	}
}

// Stop ends the load, waits for the requests under way but downloads, of which
// nothing is told, and returns what was seen. Further calls return the same.
func (l *Load) Stop() LoadResult {
	l.stop.Do(func() {
		stopped := time.Now()
		close(l.quit)
		for _, d := range l.downloads {
			d.abandon()
		}
		if l.probe != nil {
			l.result.New = l.probe.Stop()
		}
		l.pending.Wait()
		l.sockets.close()
		for _, r := range l.regulars {
			l.result.Reopened += r.reopened
			l.result.KeepAlive.Samples = append(l.result.KeepAlive.Samples, r.samples...)
		}
		for _, d := range l.downloads {
			l.result.Downloads.Samples = append(l.result.Downloads.Samples, d.samples...)
		}
		for _, r := range []*Result{&l.result.KeepAlive, &l.result.Downloads} {
			r.sort()
			r.Stopped = stopped
			if len(r.Samples) > 0 {
				r.Started = r.Samples[0].Started
			}
		}
	})
	return l.result
}

// Await waits until n more new connections, and n more requests of each kept one,
// have been answered or have failed, and each who downloads has begun to.
func (l *Load) Await(n int) {
	l.lab.t.Helper()
	type goal struct {
		what string
		have func() int
		want int
	}
	var goals []goal
	add := func(what string, have func() int, more int) { goals = append(goals, goal{what, have, have() + more}) }
	if l.probe != nil {
		add("new connections", l.probe.count, n)
	}
	for _, r := range l.regulars {
		add("requests of a keep-alive client", r.count, n)
	}
	for _, d := range l.downloads {
		goals = append(goals, goal{"downloads", func() int { return int(d.begun.Load()) }, 1})
	}
	l.lab.Await("the load to go on", awaitLimit, func() error {
		for _, g := range goals {
			if have := g.have(); have < g.want {
				return fmt.Errorf("%d %s, want %d", have, g.what, g.want)
			}
		}
		return nil
	})
}

// AwaitDownloads waits until every download that is under way has ended.
func (l *Load) AwaitDownloads() {
	l.lab.t.Helper()
	var before []int64
	for _, d := range l.downloads {
		before = append(before, d.begun.Load())
	}
	l.lab.Await("the downloads to end", awaitLimit, func() error {
		for i, d := range l.downloads {
			if d.begun.Load() == before[i] {
				return fmt.Errorf("the %dth of client %d is under way", before[i], i)
			}
		}
		return nil
	})
}

// LoadResult is what the clients of a load saw.
type LoadResult struct {
	New, KeepAlive, Downloads Result
	Reopened                  int // idle connections that the server had closed before the next request
}

// All are the samples of all clients, in the order of Ended.
func (r LoadResult) All() Result {
	all := Result{Started: r.New.Started, Stopped: r.New.Stopped}
	for _, part := range []Result{r.New, r.KeepAlive, r.Downloads} {
		all.Samples = append(all.Samples, part.Samples...)
	}
	all.sort()
	return all
}

// Retried counts the requests that were made twice.
func (r LoadResult) Retried() int {
	n := 0
	for _, s := range r.KeepAlive.Samples {
		if s.Retried {
			n++
		}
	}
	return n
}

// String sums the result up in a line for each kind of client.
func (r LoadResult) String() string {
	line := func(what string, r Result) string {
		return fmt.Sprintf("%s: %d, failed %v, slowest %v", what, len(r.Samples), r.Failures(), r.Slowest().Round(time.Millisecond/10))
	}
	return fmt.Sprintf("%s\n%s; %d retried, %d connections reopened\n%s",
		line("new connections", r.New),
		line("kept connections", r.KeepAlive), r.Retried(), r.Reopened,
		line("downloads", r.Downloads))
}
