package notify_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/notify"
)

// manager listens as a service manager does.
func manager(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func heard(t *testing.T, l *net.UnixConn) string {
	t.Helper()
	if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func environment(t *testing.T, socket, usec, pid string) {
	t.Helper()
	for name, value := range map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid} {
		t.Setenv(name, value)
		if value == "" {
			os.Unsetenv(name)
		}
	}
}

func TestMessagesArrive(t *testing.T) {
	for name, path := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@ngha-notify-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			l := manager(t, path)
			environment(t, path, "", "")
			s, err := notify.FromEnvironment()
			if err != nil {
				t.Fatal(err)
			}
			for _, messages := range [][]string{
				{notify.Ready, notify.Status("two\nlines\xff")},
				{notify.Reloading(1500 * time.Millisecond)},
				{notify.Stopping, notify.ExtendTimeout(time.Minute)},
				{notify.Alive},
			} {
				if err := s.Send(messages...); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{
				"READY=1\nSTATUS=two lines ",
				"RELOADING=1\nMONOTONIC_USEC=1500000",
				"STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000",
				"WATCHDOG=1",
			}
			var got []string
			for range want {
				got = append(got, heard(t, l))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironmentIsTakenSoThatNoChildHasIt(t *testing.T) {
	environment(t, "/run/notify", "20000000", strconv.Itoa(os.Getpid()))
	s, err := notify.FromEnvironment()
	if err != nil || s == nil || s.Watchdog != 20*time.Second {
		t.Fatalf("FromEnvironment = %+v, %v, want a watchdog of 20s", s, err)
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "NOTIFY_") || strings.HasPrefix(kv, "WATCHDOG_") {
			t.Errorf("%s is left for children", kv)
		}
	}
}

func TestWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	environment(t, "/run/notify", "20000000", strconv.Itoa(os.Getppid()))
	if s, err := notify.FromEnvironment(); err != nil || s == nil || s.Watchdog != 0 {
		t.Errorf("FromEnvironment = %+v, %v, want no watchdog", s, err)
	}
}

func TestWithoutManagerNobodyIsTold(t *testing.T) {
	environment(t, "", "20000000", "")
	s, err := notify.FromEnvironment()
	if err != nil || s != nil {
		t.Fatalf("FromEnvironment = %+v, %v, want none", s, err)
	}
	if err := s.Send(notify.Ready); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestWhatCannotBeMeantIsAnError(t *testing.T) {
	for name, row := range map[string]struct{ socket, usec, says string }{
		"vsock":   {"vsock:2:1234", "", "vsock:2:1234"},
		"seconds": {"/run/notify", "20s", "20s"},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, row.socket, row.usec, "")
			if _, err := notify.FromEnvironment(); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("error %v, want one about %q", err, row.says)
			}
		})
	}
}

// A manager that hangs must not hang the service.
func TestSendDoesNotWaitForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager(t, path)
	environment(t, path, "", "")
	s, err := notify.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // far more than a queue holds
		if err = s.Send(notify.Alive); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Send to a full queue: %v, want that the time is over", err)
	}
}
