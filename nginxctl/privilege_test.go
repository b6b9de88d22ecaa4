package nginxctl

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// capabilities reads the sets of a process from /proc/PID/status.
func capabilities(t *testing.T, pid int) map[string]uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	sets := make(map[string]uint64)
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.HasPrefix(name, []byte("Cap")) {
			continue
		}
		set, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		sets[string(name)] = set
	}
	return sets
}

const network = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW

func TestNginxHoldsNoNetworkCapability(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	if err := m.Warning(); err != nil {
		t.Error(err)
	}
	for _, p := range append(workers(t, m), Process{PID: m.PID()}) {
		for name, set := range capabilities(t, p.PID) {
			if set&network != 0 {
				t.Errorf("%v: %s = %#x has a network capability", p, name, set)
			}
		}
	}
	if capabilities(t, m.PID())["CapEff"]&(1<<unix.CAP_NET_BIND_SERVICE) == 0 {
		t.Error("the master has lost CAP_NET_BIND_SERVICE, too")
	}
	// We ourselves keep ours, on every thread that lives.
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	own := capabilities(t, os.Getpid())
	if own["CapEff"]&network == 0 {
		t.Fatal("the test has no network capabilities to lose")
	}
	kept := 0
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err == nil && bytes.Contains(b, fmt.Appendf(nil, "CapEff:\t%016x\n", own["CapEff"])) {
			kept++
		}
	}
	if kept == 0 {
		t.Error("no thread of ours keeps its capabilities")
	}
}

func TestNginxKeepsItsCapabilitiesOnRequest(t *testing.T) {
	nginxtest.Require(t)
	n, _ := testNginx(t, nginxtest.NewSite(t, nginxtest.Config{}).Command())
	n.KeepCapabilities = true
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if got := capabilities(t, m.PID())["CapEff"]; got&network != network {
		t.Errorf("CapEff = %#x", got)
	}
}

// TestPrivilegeHelper is not a test: it starts a fake nginx from a process that
// the tests below have put into another position.
func TestPrivilegeHelper(t *testing.T) {
	path := os.Getenv("PRIVILEGE_HELPER")
	if path == "" {
		t.Skip("run by other tests")
	}
	m := start(t, Nginx{Command: []string{path}})
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	if joined, ok := m.Warning().(interface{ Unwrap() []error }); ok {
		for _, w := range joined.Unwrap() {
			if c, ok := errors.AsType[*CapabilityError](w); ok {
				warnings = append(warnings, c.Capability)
			}
		}
	}
	fmt.Printf("RESULT %v %t\n", warnings, capabilities(t, m.PID())["CapEff"]&network != 0)
}

// helper runs TestPrivilegeHelper by way of setpriv and returns its result.
func helper(t *testing.T, setpriv ...string) string {
	t.Helper()
	nginxtest.Require(t, "setpriv")
	f := nginxtest.NewFake(t, nginxtest.Behaviour{})
	if err := os.Chmod(f.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// The test binary's own folder is closed to others.
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := f.Dir + "/test"
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(f.Path), os.Symlink(binary, f.Path)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testContext(t), "setpriv", append(setpriv, binary, "-test.run=^TestPrivilegeHelper$", "-test.v")...)
	cmd.Dir = f.Dir
	cmd.Env = append(os.Environ(), "PRIVILEGE_HELPER="+f.Path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if result, ok := strings.CutPrefix(line, "RESULT "); ok {
			return strings.TrimSpace(result)
		}
	}
	t.Fatalf("no result:\n%s", out)
	return ""
}

func TestStartWithoutSetpcapWarns(t *testing.T) {
	if got, want := helper(t, "--bounding-set", "-setpcap"), "[CAP_NET_ADMIN CAP_NET_RAW] true"; got != want {
		t.Errorf("warnings and what nginx holds: %s, want %s", got, want)
	}
}

func TestStartWithNothingToDropIsSilent(t *testing.T) {
	if got, want := helper(t, "--bounding-set", "-setpcap,-net_admin,-net_raw"), "[] false"; got != want {
		t.Errorf("warnings and what nginx holds: %s, want %s", got, want)
	}
}

func TestStartWithoutRootIsSilent(t *testing.T) {
	if got, want := helper(t, "--reuid", "65534", "--regid", "65534", "--clear-groups"), "[] false"; got != want {
		t.Errorf("warnings and what nginx holds: %s, want %s", got, want)
	}
}

func TestNoDescriptorLeaksIntoNginx(t *testing.T) {
	// One that our own parent might have left open, and one that Go opened.
	inherited, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	own, err := os.Open("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	_, m := startSite(t, nginxtest.Config{})
	dir := fmt.Sprintf("/proc/%d/fd/", m.PID())
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		link, err := os.Readlink(dir + fd.Name())
		if err != nil {
			t.Fatal(err)
		}
		if link == "/dev/zero" || link == "/dev/full" || strings.HasPrefix(link, "anon_inode:") || strings.HasPrefix(link, "pipe:") {
			t.Errorf("descriptor %s: %s", fd.Name(), link)
		}
	}
}

func TestEnvironmentOfNginx(t *testing.T) {
	n := Nginx{Env: []string{"A=1", "NGINX=3;4;", "NGHA_CONFIG=/x", "NGINX_HOST=h"}}
	if got := n.environ(); !slices.Equal(got, []string{"A=1", "NGINX_HOST=h"}) {
		t.Errorf("environment: %q", got)
	}
}

func TestNginxHasASessionOfItsOwn(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	for _, p := range workers(t, m) {
		if p.Session != m.Session() || m.Session() != m.PID() {
			t.Errorf("%v: session %d, want %d", p, p.Session, m.PID())
		}
	}
}
