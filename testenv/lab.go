package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Lab is a set of hosts and of the switches between them. Its methods fail the
// test when the lab itself goes wrong; they may be called from the test's
// goroutine only, unless they say otherwise.
type Lab struct {
	t   TB
	dir string // logs and captures

	bridges []*Bridge
	hosts   []*Host
	nodes   []*Node
	roots   []*Root

	mu     sync.Mutex
	logs   []namedLog
	macs   map[string]string // hardware address to "host/interface"
	closer []func()          // run last first, before the hosts end
	binary string            // ngha, once built

	arpProbes int // so far, to tell their hardware addresses apart
}

type namedLog struct{ name, path string }

// New returns an empty lab, which ends with the test. It skips the test,
// naming what is missing, where the machine does not allow a lab: namespaces,
// bridges and nftables, as root. With NGHA_REQUIRE_ROOT_TESTS=1 it fails the
// test instead. In a test run with -short it skips.
func New(t TB) *Lab {
	t.Helper()
	if testing.Testing() && testing.Short() {
		t.Skipf("a lab takes seconds: left out by -short")
	}
	if err := probe(); err != nil {
		missing(t, "this machine allows no lab: %v", err)
	}
	for _, name := range []string{"sh", "mount", "mkdir", "sleep"} {
		RequireBinary(t, name)
	}
	// The directory is asked for first, so that it outlives the cleanup.
	l := &Lab{t: t, dir: t.ArtifactDir(), macs: make(map[string]string)}
	t.Cleanup(l.close)
	return l
}

// RequireBinary skips the test where the program is not installed, or fails it
// when NGHA_REQUIRE_ROOT_TESTS=1, and returns the program's path.
func RequireBinary(t TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "the program %s is not installed", name)
	}
	return path
}

// probe tries everything a lab is made of and names the first thing that this
// process may not do.
func probe() error {
	if err := requireCapabilities(); err != nil {
		return err
	}
	s, err := newSpace()
	if err != nil {
		return err
	}
	defer s.close()
	return s.do(func() error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
		bridge.Name = "probe"
		if err := netlink.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add a bridge: %w", err)
		}
		conn, err := nftables.New()
		if err != nil {
			return fmt.Errorf("open nftables: %w", err)
		}
		conn.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: "probe"})
		if err := conn.Flush(); err != nil {
			return fmt.Errorf("add an nftables table of the bridge family: %w", err)
		}
		return nil
	})
}

func requireCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read the capabilities of this process: %w", err)
	}
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_NET_RAW, "CAP_NET_RAW"}, {unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}} {
		if data[0].Effective&(1<<c.bit) == 0 {
			return fmt.Errorf("%s is missing: run the tests as root", c.name)
		}
	}
	return nil
}

// Dir is where the lab's files are written: every process's log, every
// configuration and, when the test fails, the captures. It is the test's
// artifact directory, which `go test -artifacts` keeps.
func (l *Lab) Dir() string { return l.dir }

// path returns a path in the lab's directory, whose folders exist.
func (l *Lab) path(elem ...string) string {
	l.t.Helper()
	p := filepath.Join(append([]string{l.dir}, elem...)...)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		l.t.Fatalf("make the directory of %s: %v", p, err)
	}
	return p
}

// logFile opens a new log, whose tail is shown when the test fails.
func (l *Lab) logFile(name string) *os.File {
	l.t.Helper()
	path := l.path(name + ".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		l.t.Fatalf("open a log: %v", err)
	}
	l.watchLog(name, path)
	return f
}

// watchLog has the tail of the file at path shown when the test fails.
func (l *Lab) watchLog(name, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range l.logs {
		if log.path == path {
			return
		}
	}
	l.logs = append(l.logs, namedLog{name, path})
}

// Owner names the host and interface that mac was given to, as "a/eth0", or
// repeats mac when the lab gave it to nobody. Any goroutine may call it.
func (l *Lab) Owner(mac net.HardwareAddr) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if name, ok := l.macs[mac.String()]; ok {
		return name
	}
	return mac.String()
}

// atEnd registers f to run before the hosts end, last registered first.
func (l *Lab) atEnd(f func()) { l.closer = append(l.closer, f) }

func (l *Lab) close() {
	for _, f := range slices.Backward(l.closer) {
		f()
	}
	for _, n := range l.nodes {
		n.end()
	}
	for _, h := range l.hosts {
		h.close()
	}
	for _, b := range l.bridges {
		b.close()
	}
	for _, r := range l.roots {
		r.close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range l.logs {
		l.checkLog(log)
	}
	if l.t.Failed() {
		l.showLogs()
	}
}

// crashes are what the Go runtime writes when it finds a fault in a program.
var crashes = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: )`)

// checkLog fails the test when a program crashed or raced, which a failover
// may well have hidden.
func (l *Lab) checkLog(log namedLog) {
	b, err := os.ReadFile(log.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Errorf("check a log: %v", err)
	}
	if at := crashes.FindIndex(b); at != nil {
		l.t.Errorf("%s:\n%s", log.name, b[at[0]:min(len(b), at[0]+tailBytes)])
	}
}

// tailBytes of each log are shown when a test fails.
const tailBytes = 6 << 10

func (l *Lab) showLogs() {
	for _, log := range l.logs {
		l.t.Logf("=== tail of %s (%s)\n%s", log.name, log.path, tail(log.path, tailBytes))
	}
}

// tail returns at most n bytes from the end of a file, or why it has none.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if cut := len(b) - n; cut > 0 {
		b = append([]byte("...\n"), b[cut:]...)
	}
	return string(b)
}
