package nginxctl

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// A guarded is a nginx whose sockets are in custody.
type guarded struct {
	site    *nginxtest.Site
	nginx   Nginx
	custody *Custody
	master  *Master
}

// guard starts the real nginx with its sockets in custody. A wrapper may come
// before it.
func guard(t *testing.T, c nginxtest.Config, wrapper ...string) *guarded {
	t.Helper()
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, c)
	n, _ := testNginx(t, append(wrapper, s.Command()...))
	g := &guarded{site: s, nginx: n, custody: new(Custody)}
	t.Cleanup(func() {
		if err := g.custody.Close(); err != nil {
			t.Error(err)
		}
	})
	g.start(t, nil)
	return g
}

// start starts a master beside the processes old, and retires these.
func (g *guarded) start(t *testing.T, old []Process) {
	t.Helper()
	ctx := testContext(t)
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	blocked, err := g.custody.Gather(ctx, d, old)
	if err != nil || len(blocked) > 0 {
		t.Fatalf("Gather: %v, blocked: %v", err, blocked)
	}
	m, err := g.nginx.StartWith(ctx, d, g.custody)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err := m.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	g.master = m
	g.retire(t, old)
}

func (g *guarded) retire(t *testing.T, old []Process) {
	t.Helper()
	draining, err := Retire(testContext(t), old)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Drain(ctx, draining, time.Second); err != nil {
			t.Error(err)
		}
	})
}

// kill kills the master, and with all its workers too, and returns who is left.
func (g *guarded) kill(t *testing.T, all bool) []Process {
	t.Helper()
	victims, err := members(g.master.Session())
	if err != nil {
		t.Fatal(err)
	}
	old := orphans(t, g.master)
	if !all {
		return old
	}
	if err := signalAll(victims, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := waitAll(testContext(t), victims); err != nil {
		t.Fatal(err)
	}
	return nil
}

// covered fails the test unless all that nginx listens on is in custody.
func (g *guarded) covered(t *testing.T) {
	t.Helper()
	if list, err := g.custody.Uncovered(); len(list) > 0 || err != nil {
		t.Errorf("Uncovered: %v, %v", list, err)
	}
}

// freePort6 is nginxtest.FreeAddress in IPv6.
func freePort6(t *testing.T) string {
	t.Helper()
	address := fmt.Sprintf("[::1]:%d", nginxtest.FreePort(t))
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("IPv6 is missing: %v", err)
	}
	defer l.Close()
	return address
}

// filtered reports whether the kernel refuses to hand over descriptors.
func filtered() bool { return os.Getenv(refuseGetfd) != "" }

// shellWrapper is an entrypoint script that uses descriptors of its own.
func shellWrapper(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "entrypoint.sh")
	script := "#!/bin/sh\nset -e\nexec 3>&1\necho configured >&3\nexec \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoConnectionIsRefusedWhileACrashIsMended(t *testing.T) {
	port := func(t *testing.T) (string, nginxtest.Config) {
		a := nginxtest.FreeAddress(t)
		return a, nginxtest.Config{Listen: []string{a}}
	}
	for _, c := range []struct {
		name    string
		network string
		config  func(*testing.T) (address string, c nginxtest.Config)
		wrapped bool
	}{
		{name: "IPv4", network: "tcp", config: port},
		{name: "behind an entrypoint script", network: "tcp", config: port, wrapped: true},
		{name: "IPv6", network: "tcp", config: func(t *testing.T) (string, nginxtest.Config) {
			a := freePort6(t)
			return a, nginxtest.Config{Listen: []string{a}}
		}},
		{name: "wildcards", network: "tcp", config: func(t *testing.T) (string, nginxtest.Config) {
			a := nginxtest.FreeAddress(t)
			_, port, _ := net.SplitHostPort(a)
			return a, nginxtest.Config{Listen: []string{port, "[::]:" + port, a}}
		}},
		{name: "reuseport", network: "tcp", config: func(t *testing.T) (string, nginxtest.Config) {
			a := nginxtest.FreeAddress(t)
			return a, nginxtest.Config{Listen: []string{a + " reuseport"}, Workers: 3}
		}},
		{name: "unix", network: "unix", config: func(*testing.T) (string, nginxtest.Config) {
			return "", nginxtest.Config{}
		}},
	} {
		for _, all := range []bool{false, true} {
			name := c.name + "/master"
			if all {
				name += " and workers"
			}
			t.Run(name, func(t *testing.T) {
				address, config := c.config(t)
				var wrapper []string
				if c.wrapped {
					wrapper = []string{shellWrapper(t)}
				}
				g := guard(t, config, wrapper...)
				g.covered(t)
				if address == "" {
					address = g.site.Socket
				}
				l := startCrowd(t, c.network, address)
				l.more(t, 100)
				old := g.kill(t, all)
				cut := 0
				if all {
					cut = l.more(t, 50) + 1 // while nobody lives
				}
				g.start(t, old)
				l.more(t, 200)
				g.covered(t)
				l.verify(t, cut)
			})
		}
	}
}

func TestNoConnectionIsRefusedWhileNginxIsReplaced(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{address}, Node: "old"})
	l := startCrowd(t, "tcp", address)
	for _, node := range []string{"second", "third"} {
		g.site.Write(t, nginxtest.Config{Listen: []string{address}, Node: node})
		replaced := g.master
		old, err := Leftovers(replaced.Session())
		if err != nil {
			t.Fatal(err)
		}
		g.start(t, old)
		<-replaced.Done()
		nginxtest.Eventually(t, "the new nginx alone", func() bool {
			got, err := g.site.Node(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			return got == node
		})
		l.more(t, 100)
	}
	l.verify(t, 0)
	pid, err := os.ReadFile(g.site.PID)
	if err != nil || string(pid) == "" {
		t.Errorf("pid file: %q, %v", pid, err)
	}
}

func TestFrozenOldWorkersAreInNobodysWay(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{address}})
	l := startCrowd(t, "tcp", address)
	l.more(t, 20)
	old := g.kill(t, false)
	if err := old[0].signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cut := l.more(t, 20) + 20 // it may have taken some along
	ctx := testContext(t)
	m, err := g.nginx.StartWith(ctx, nil, g.custody)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	if err := m.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	draining, err := Retire(ctx, old)
	if err != nil || !slices.ContainsFunc(draining, old[0].same) {
		t.Errorf("Retire: %v, %v, want the frozen one", draining, err)
	}
	l.more(t, 100)
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := Drain(over, draining, time.Minute); err != nil {
		t.Error(err)
	}
	l.verify(t, cut)
}

// A container engine's default filter keeps descriptors of other processes from
// us. What counts must work there too.
func TestCustodyWhereTheKernelRefusesDescriptors(t *testing.T) {
	if filtered() {
		t.Skip("we are the inner run")
	}
	nginxtest.Require(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inner := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^(TestNoConnection|TestListener|TestReuseport|TestSuccessor)")
	inner.Env = append(os.Environ(), refuseGetfd+"=1")
	out, err := inner.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
