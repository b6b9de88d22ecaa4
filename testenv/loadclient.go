package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connect makes a connection that lasts for one request, or for the next one.
func (l *Load) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.clients.Limit)
	defer cancel()
	return dial(ctx, l.sockets, l.to)
}

// afterFailure is how long a client waits that would ask again at once, so that
// it does not flood a server that refuses it.
const afterFailure = 10 * time.Millisecond

// regular is a client that keeps its connection.
type regular struct {
	load    *Load
	request []byte

	conn     net.Conn // nil: the next request needs a new one
	in       *bufio.Reader
	reopened int

	mu      sync.Mutex
	samples []Sample
}

func (r *regular) run() {
	defer r.drop()
	for !r.load.ended() {
		s := r.ask()
		r.mu.Lock()
		r.samples = append(r.samples, s)
		r.mu.Unlock()
		think := r.load.clients.Think
		if s.Failure != "" {
			think = max(think, afterFailure)
		}
		if think > 0 && !r.load.wait(think) {
			return
		}
	}
}

func (r *regular) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.samples)
}

// unanswered is the end of a connection before a byte of the answer.
type unanswered struct{ error }

func (e unanswered) Unwrap() error { return e.error }

// ask makes one request, and makes it again if that is permitted.
func (r *regular) ask() Sample {
	s := Sample{Started: time.Now()}
	if r.conn != nil && r.load.clients.Think > 0 && r.closed() {
		r.drop()
		r.reopened++
	}
	kept := r.conn != nil
	server, err := r.exchange()
	if _, ok := errors.AsType[unanswered](err); ok && kept {
		s.Retried = true
		server, err = r.exchange()
	}
	s.Server, s.Ended, s.Failure = server, time.Now(), classify(err)
	return s
}

// closed reports whether the server has closed the idle connection.
func (r *regular) closed() bool {
	raw, err := r.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	n, result := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		n, _, result = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return true
	})
	return err != nil || n == 0 && !errors.Is(result, unix.EAGAIN)
}

// exchange makes a request on the connection, or on a new one, and reads the
// answer. After an error the connection is given up.
func (r *regular) exchange() (server string, err error) {
	defer func() {
		if err != nil {
			r.drop()
		}
	}()
	if r.conn == nil {
		if r.conn, err = r.load.connect(); err != nil {
			return "", err
		}
		r.in = bufio.NewReader(r.conn)
	}
	if err := r.conn.SetDeadline(time.Now().Add(r.load.clients.Limit)); err != nil {
		return "", err
	}
	if _, err := r.conn.Write(r.request); err != nil {
		return "", endedBefore(err)
	}
	if _, err := r.in.Peek(1); err != nil {
		return "", endedBefore(err)
	}
	server, last, err := readAnswer(r.in)
	if last {
		r.drop()
	}
	return server, err
}

// endedBefore tells the end of a connection from other errors.
func endedBefore(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		return unanswered{err}
	}
	return err
}

// readAnswer reads one answer to its end, and says whether it is the
// connection's last.
func readAnswer(in *bufio.Reader) (server string, last bool, err error) {
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	server = resp.Header.Get("X-Node")
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return server, false, err
	}
	if resp.StatusCode != http.StatusOK {
		return server, resp.Close, fmt.Errorf("%w: %s", errStatus, resp.Status)
	}
	return server, resp.Close, nil
}

func (r *regular) drop() {
	if r.conn != nil {
		r.conn.Close()
		r.conn, r.in = nil, nil
	}
}

// download is a client that downloads.
type download struct {
	load    *Load
	request []byte
	begun   atomic.Int64 // answers of which something has come
	samples []Sample

	mu   sync.Mutex // guards conn
	conn net.Conn
}

func (d *download) run() {
	for !d.load.ended() {
		s := Sample{Started: time.Now()}
		server, err := d.ask()
		if d.load.ended() {
			return
		}
		s.Server, s.Ended, s.Failure = server, time.Now(), classify(err)
		d.samples = append(d.samples, s)
		if err != nil && !d.load.wait(afterFailure) {
			return
		}
	}
}

func (d *download) ask() (server string, err error) {
	conn, err := d.load.connect()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	d.mu.Lock()
	d.conn = conn
	d.mu.Unlock()
	if d.load.ended() {
		return "", net.ErrClosed // nobody may have seen it to abandon it
	}
	if err := conn.SetDeadline(time.Now().Add(d.load.clients.Limit)); err != nil {
		return "", err
	}
	if _, err := conn.Write(d.request); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return "", err
	}
	d.begun.Add(1)
	server, _, err = readAnswer(in)
	return server, err
}

// abandon ends the download under way. The load has been told to end before.
func (d *download) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
	}
}
