// Package notify speaks systemd's protocol sd_notify(3): a service tells the
// manager that started it that it is up, reloads or ends, and that it lives.
package notify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Socket is where the service manager listens. A nil *Socket is that of a
// process which no service manager waits for: nobody is told.
type Socket struct {
	// Watchdog is how long the manager waits for a sign of life, [Alive], before
	// it ends the service; zero: for ever.
	Watchdog time.Duration

	path string
}

// Messages. Several fit into one Send.
const (
	Ready    = "READY=1" // up, or no longer reloading
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Status is a message with a sentence for people. What would end it early, or is
// no text, becomes a space.
func Status(sentence string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, sentence)
}

// Reloading is the message that a reload began at an instant of [Now].
func Reloading(begun time.Duration) string {
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", begun.Microseconds())
}

// ExtendTimeout is the message that the start, or the end, which is under way
// may take this long from now on, if that is more than the manager knows of.
func ExtendTimeout(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds())
}

// Now is the clock of Reloading, CLOCK_MONOTONIC.
func Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // it always has that clock
	}
	return time.Duration(t.Nano())
}

// FromEnvironment takes the socket out of the environment, so that no child
// speaks in our name. It is nil where there is none.
func FromEnvironment() (*Socket, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	limit, pid := os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	switch {
	case path == "":
		return nil, nil
	case path[0] != '/' && path[0] != '@': // as an abstract address begins
		return nil, fmt.Errorf("NOTIFY_SOCKET=%s: neither a path nor an abstract address of a unix socket", path)
	}
	s := &Socket{path: path}
	if limit == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return s, nil
	}
	usec, err := strconv.ParseInt(limit, 10, 64)
	if err != nil || usec <= 0 {
		return s, fmt.Errorf("WATCHDOG_USEC=%s: no number of microseconds", limit)
	}
	s.Watchdog = time.Duration(usec) * time.Microsecond
	return s, nil
}

// sendLimit is how long a manager may take to make room for a message.
const sendLimit = time.Second

// Send sends messages together. It may block for a second where the manager
// hangs.
func (s *Socket) Send(messages ...string) error {
	if s == nil {
		return nil
	}
	// Anew each time: the manager may have opened its socket anew as well.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	err = c.SetWriteDeadline(time.Now().Add(sendLimit))
	if err == nil {
		_, err = c.Write([]byte(strings.Join(messages, "\n")))
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
