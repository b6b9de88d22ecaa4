package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// attemptLimit is how long one attempt of a probe may take. The kernel
	// sends a lost SYN again after a second: to wait for that would make a
	// slow answer of a failure.
	attemptLimit = time.Second
	// maxSamples bounds a probe's memory; the oldest go first.
	maxSamples = 1 << 20
	// maxAnswer is the largest answer a probe reads.
	maxAnswer = 64 << 10
)

// Probe asks a URL again and again, each time by a new connection with a
// deadline of its own, whether or not those before have answered.
type Probe struct {
	lab     *Lab
	sockets *thread
	to      string // address:port
	request []byte
	every   time.Duration
	limit   time.Duration // of one attempt

	quit    chan struct{}
	ctx     context.Context // ends, with attempts under way, where nobody asks any more what comes of them
	abandon context.CancelFunc
	stop    sync.Once
	pending sync.WaitGroup

	mu     sync.Mutex
	result Result
}

// ProbeHTTP begins to ask url, whose host is an address, from the host h, once
// every so often, until Stop or the lab's end.
func (h *Host) ProbeHTTP(url string, every time.Duration) *Probe {
	h.lab.t.Helper()
	return h.ProbeHTTPWithin(url, every, attemptLimit)
}

// ProbeHTTPWithin is ProbeHTTP with another limit to each attempt than a second:
// for a probe that is to fail only where nobody answers, however busy the machine
// is, and whether or not a SYN was lost.
func (h *Host) ProbeHTTPWithin(url string, every, limit time.Duration) *Probe {
	h.lab.t.Helper()
	p, err := h.newProbe(url, every, limit)
	if err != nil {
		h.lab.t.Fatalf("probe %s from %s: %v", url, h.name, err)
	}
	h.lab.atEnd(func() {
		p.abandon()
		p.Stop()
	})
	p.pending.Go(p.run)
	return p
}

func (h *Host) newProbe(address string, every, limit time.Duration) (*Probe, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	// A thread of its own: the probe goes on while the test is in Do.
	sockets, err := h.net.join()
	if err != nil {
		return nil, err
	}
	ctx, abandon := context.WithCancel(context.Background())
	return &Probe{
		ctx: ctx, abandon: abandon,
		lab: h.lab, sockets: sockets, to: socketAddress(u), every: every, limit: limit,
		request: getRequest(u.RequestURI(), u.Host, false),
		quit:    make(chan struct{}),
		result:  Result{Started: time.Now()},
	}, nil
}

// Stop ends the probe, waits for the attempts under way, and returns what was
// seen. Further calls return the same.
func (p *Probe) Stop() Result {
	p.stop.Do(func() {
		stopped := time.Now()
		close(p.quit)
		p.pending.Wait()
		p.sockets.close()
		p.result.Stopped = stopped
		p.result.sort()
	})
	return p.result
}

// Result returns what was seen so far. The probe goes on.
func (p *Probe) Result() Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.result
	r.Samples = append([]Sample(nil), r.Samples...)
	if r.Stopped.IsZero() {
		r.Stopped = time.Now()
	}
	r.sort()
	return r
}

// run keeps to its times: what a busy machine delays is made up for at once.
func (p *Probe) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := time.Now(); ; {
		select {
		case <-timer.C:
		case <-p.quit:
			return
		}
		for now := time.Now(); !next.After(now); next = next.Add(p.every) {
			p.pending.Go(p.attempt)
		}
		timer.Reset(time.Until(next))
	}
}

// count is how many attempts have ended so far.
func (p *Probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result.Dropped + len(p.result.Samples)
}

func (p *Probe) attempt() {
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	s := Sample{Started: time.Now()}
	server, ended, err := p.ask(ctx)
	s.Server, s.Ended, s.Failure = server, ended, classify(err)
	if err != nil {
		s.Ended = time.Now()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.result.Samples) == maxSamples {
		half := maxSamples / 2
		p.result.Dropped += half
		p.result.Samples = append(p.result.Samples[:0], p.result.Samples[half:]...)
	}
	p.result.Samples = append(p.result.Samples, s)
}

var errStatus = errors.New("not status 200")

// ask makes one connection and returns who answered, and when the last byte
// arrived at the host's kernel.
func (p *Probe) ask(ctx context.Context) (server string, at time.Time, err error) {
	conn, err := dial(ctx, p.sockets, p.to)
	if err != nil {
		return "", at, err
	}
	defer conn.Close()
	defer context.AfterFunc(p.ctx, func() { conn.SetDeadline(time.Now()) })()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", at, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return "", at, fmt.Errorf("%T is not TCP", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return "", at, err
	}
	if err := stampArrivals(raw); err != nil {
		return "", at, err
	}
	if _, err := conn.Write(p.request); err != nil {
		return "", at, err
	}
	answer, at, err := readStamped(raw)
	if err != nil {
		return "", at, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return "", at, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", at, err
	}
	server = resp.Header.Get("X-Node")
	if resp.StatusCode != http.StatusOK {
		return server, at, fmt.Errorf("%w: %s", errStatus, resp.Status)
	}
	return server, at, nil
}

// classify names the kind of a failure, "" for none.
func classify(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "reset"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.ENETDOWN):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut short"
	case errors.Is(err, errStatus):
		return "status"
	default:
		return err.Error()
	}
}
