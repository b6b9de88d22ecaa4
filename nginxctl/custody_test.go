package nginxctl

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

func TestStartThatFailsLeavesTheOldWorkersServing(t *testing.T) {
	kept, added := nginxtest.FreeAddress(t), nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept}})
	l := startCrowd(t, "tcp", kept)
	old := g.kill(t, false)

	// It breaks between the look at the configuration and the start.
	ctx := testContext(t)
	g.site.Write(t, nginxtest.Config{Listen: []string{kept, added}})
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g.site.Write(t, nginxtest.Config{Listen: []string{kept, added}, HTTP: "no_such_directive;"})
	if blocked, err := g.custody.Gather(ctx, d, old); err != nil || len(blocked) > 0 {
		t.Fatalf("Gather: %v, %v", blocked, err)
	}
	m, err := g.nginx.StartWith(ctx, d, g.custody)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*ExitError](m.Ready(ctx)); !ok || e.Code != 1 {
		t.Errorf("Ready: %v", m.Err())
	}
	if err := ask("tcp", added); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("what was opened for the failed start: %v, want it refused", err)
	}
	l.more(t, 50)
	g.site.Write(t, nginxtest.Config{Listen: []string{kept}})
	g.start(t, old)
	l.verify(t, 0)
}

func TestNginxGetsItsSocketsAndNothingElse(t *testing.T) {
	config := nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t), nginxtest.FreeAddress(t) + " reuseport"}}
	_, plain := startSite(t, nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t), nginxtest.FreeAddress(t) + " reuseport"}})
	g := guard(t, config)

	_, at, err := listeners(g.master.PID())
	if err != nil {
		t.Fatal(err)
	}
	if len(at) != 4 {
		t.Errorf("nginx listens on %v, want one, two with reuseport and a unix socket", at)
	}
	if got, want := descriptors(t, g.master.PID()), descriptors(t, plain.PID()); got != want {
		t.Errorf("nginx has %d descriptors, and %d without custody", got, want)
	}
	open, err := openSockets(g.master.PID())
	if err != nil {
		t.Fatal(err)
	}
	for inode, e := range at {
		info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", g.master.PID(), open[inode]))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(info), "flags:\t")
		octal, _, _ := strings.Cut(rest, "\n")
		flags, err := strconv.ParseUint(octal, 8, 32)
		if err != nil {
			t.Fatalf("%q: %v", info, err)
		}
		if flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%v blocks: flags %s", e, octal)
		}
	}
	for _, p := range workers(t, g.master) {
		env, err := readProc(p.PID, "environ")
		if err == nil && strings.Contains(string(env), "NGINX=") {
			t.Errorf("%v has NGINX= in its environment", p)
		}
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestRestartsLeakNoDescriptor(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{})
	n, _ := testNginx(t, f.Command())
	d, err := n.Dump(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	custody := new(Custody)
	defer custody.Close()
	before := 0
	for i := range 50 {
		ctx := testContext(t)
		m, err := n.StartWith(ctx, d, custody)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		// Who waits for the workers' ends closes its descriptors a moment later.
		switch {
		case i == 1:
			before = descriptors(t, os.Getpid())
		case i > 1:
			nginxtest.Eventually(t, "no more descriptors than after the first restart", func() bool {
				return descriptors(t, os.Getpid()) <= before
			})
		}
	}
	if got := len(holds(custody)); got != 1 {
		t.Errorf("%d sockets in custody, want 1", got)
	}
}

func TestCloseRefusesAndRemovesUnixSockets(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{address}})
	if err := g.master.Stop(testContext(t), StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(g.site.Socket); err != nil {
		t.Errorf("before Close: %v", err)
	}
	if err := g.custody.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(g.site.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := ask("tcp", address); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("after Close: %v, want refused", err)
	}
	restart(t, g.site) // and another nginx may have it
}

func TestUnixSocketThatIsAnothersByNowIsNotRemoved(t *testing.T) {
	g := guard(t, nginxtest.Config{})
	if err := g.master.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(g.site.Socket); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", g.site.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := g.custody.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(g.site.Socket); err != nil {
		t.Errorf("another's socket: %v", err)
	}
}

func TestUnixSocketThatWasRemovedIsMadeAnew(t *testing.T) {
	g := guard(t, nginxtest.Config{})
	old := g.kill(t, false)
	if err := os.Remove(g.site.Socket); err != nil {
		t.Fatal(err)
	}
	g.start(t, old)
	if err := ask("unix", g.site.Socket); err != nil {
		t.Error(err)
	}
}

func TestWrapperThatKeepsTheSocketsIsNamed(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t)}})
	n, _ := testNginx(t, append([]string{"env", "-u", "NGINX"}, s.Command()...))
	custody := new(Custody)
	defer custody.Close()
	m, err := n.StartWith(testContext(t), nil, custody)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	err = m.Ready(testContext(t))
	if e, ok := errors.AsType[*NotInheritedError](err); !ok {
		t.Errorf("Ready: %v", e)
	}
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 1 {
		t.Errorf("Ready: %v, want nginx's own words in it", err)
	}
	if got := holds(custody); len(got) > 0 {
		t.Errorf("held after a failed start: %v", got)
	}
}

func TestAddressOfAStrangerIsNoReasonToClearOldWorkers(t *testing.T) {
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	kept := nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept}})
	old := g.kill(t, false)
	d := parsed("http { server { listen " + kept + "; listen " + stranger.Addr().String() + "; } }")
	blocked, err := g.custody.Gather(testContext(t), d, old)
	if err != nil || len(blocked) > 0 {
		t.Errorf("Gather: %v, %v", blocked, err)
	}
}

func TestAddressThatGrowsIntoAWildcard(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	g := guard(t, nginxtest.Config{Listen: []string{address}})
	old := g.kill(t, false)
	g.site.Write(t, nginxtest.Config{Listen: []string{port}})
	ctx := testContext(t)
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	blocked, err := g.custody.Gather(ctx, d, old)
	if diff := cmp.Diff([]string{"0.0.0.0:" + port}, blocked); diff != "" || err != nil {
		t.Errorf("blocked (-want +got):\n%s\n%v", diff, err)
	}
	if _, err := Clear(ctx, old); err != nil {
		t.Fatal(err)
	}
	g.start(t, nil)
	g.covered(t)
	if diff := cmp.Diff([]string{"0.0.0.0:" + port, "unix:" + g.site.Socket}, holds(g.custody)); diff != "" {
		t.Errorf("in custody (-want +got):\n%s", diff)
	}
}

func TestDatagramsWaitForTheNextNginx(t *testing.T) {
	nginxtest.Require(t)
	module := "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err != nil {
		t.Skipf("nginx's stream module is missing: %v", err)
	}
	address := nginxtest.FreeAddress(t)
	main := fmt.Sprintf("load_module %s;\nstream { server { listen %s udp; return answer; } server { listen %s udp reuseport; return answer; } }", module, address, nginxtest.FreeAddress(t))
	g := guard(t, nginxtest.Config{Main: main})
	g.covered(t)
	g.kill(t, true)
	client, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	g.start(t, nil)
	deadline, _ := testContext(t).Deadline()
	if err := client.SetReadDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := client.Read(b); err != nil || string(b[:n]) != "answer" {
		t.Errorf("%q, %v", b[:n], err)
	}
	g.covered(t)
}

func TestUDPAddressOfOthersIsNotShared(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	raw, err := taken.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // as nginx does
	}); err != nil {
		t.Fatal(err)
	}
	custody := new(Custody)
	defer custody.Close()
	d := parsed("stream { server { listen " + taken.LocalAddr().String() + " udp; } }")
	if _, err := custody.Gather(testContext(t), d, nil); err != nil {
		t.Fatal(err)
	}
	if got := holds(custody); len(got) > 0 {
		t.Errorf("bound beside another: %v", got)
	}
}

func TestUnixSocketIsOpenToAll(t *testing.T) {
	dir, err := os.MkdirTemp("", "ngx")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a b")
	custody := new(Custody)
	defer custody.Close()
	if _, err := custody.Gather(testContext(t), parsed(`http { server { listen "unix:`+path+`"; } }`), nil); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", fi, err)
	}
	_, at, err := listeners(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range at {
		found = found || e.endpoint == endpoint{kind: unix.SOCK_STREAM, path: path}
	}
	if !found {
		t.Errorf("not in the kernel's table as %q: %v", path, at)
	}
}
