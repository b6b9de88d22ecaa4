package nginxctl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// A crowd asks one short question on a new connection every 2 ms, whether or not
// those before it have been answered, as strangers do. But more than crowdSize
// never wait: a socket's queue holds 511, and refuses who comes then.
type crowd struct {
	network, address string

	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	begun  int
	ended  int
	failed []failure
}

const crowdSize = 400

type failure struct {
	number int // of its connection, from 1
	err    error
}

func startCrowd(t *testing.T, network, address string) *crowd {
	t.Helper()
	l := &crowd{network: network, address: address, stop: make(chan struct{})}
	l.wg.Go(l.run)
	t.Cleanup(l.end)
	l.more(t, 20)
	return l
}

func (l *crowd) run() {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		number, room := l.next()
		if !room {
			continue
		}
		l.wg.Go(func() {
			err := ask(l.network, l.address)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.ended++
			if err != nil {
				l.failed = append(l.failed, failure{number, err})
			}
		})
	}
}

// next numbers the next connection, unless too many wait.
func (l *crowd) next() (number int, room bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun-l.ended >= crowdSize {
		return 0, false
	}
	l.begun++
	return l.begun, true
}

// ask asks nginx for / on a connection of its own.
func ask(network, address string) error {
	conn, err := net.DialTimeout(network, address, 15*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q", answer)
	}
	return nil
}

// more waits until n more connections have been begun, and returns how many
// there have been before.
func (l *crowd) more(t *testing.T, n int) int {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.begun
	}
	before := count()
	nginxtest.Eventually(t, "more connections", func() bool { return count() >= before+n })
	return before
}

func (l *crowd) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wg.Wait()
}

// verify ends the crowd. No connection may have been refused, and none may have
// failed but those begun before number `cut`, which may have been cut off.
func (l *crowd) verify(t *testing.T, cut int) {
	t.Helper()
	l.end()
	for _, f := range l.failed {
		if f.number >= cut || errors.Is(f.err, unix.ECONNREFUSED) || errors.Is(f.err, unix.ENOENT) {
			t.Errorf("connection %d of %d, %d may be cut off: %v", f.number, l.begun, cut, f.err)
		}
	}
	t.Logf("%d connections, %d cut off", l.begun, len(l.failed))
}

func TestCrowdNoticesARefusal(t *testing.T) {
	err := ask("tcp", nginxtest.FreeAddress(t))
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("ask where nobody listens: %v", err)
	}
}
