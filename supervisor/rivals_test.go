package supervisor_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/supervisor"
	"ngha/supervisor/neighbour"
	"ngha/supervisor/status"
)

// holder is another program, which has a socket.
func holder(t *testing.T, socket *os.File) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{socket}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// The distribution's nginx, more often than not.
func TestWhoHasNginxsPortIsNamed(t *testing.T) {
	r := prepare(t)
	r.config.Nginx.Restarts = 0
	l, err := net.Listen("tcp", r.listen)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	pid := holder(t, f).Process.Pid
	r.start()
	err = r.awaitEnd()
	p, err2 := neighbour.Of(pid) // what starts these tests may be a unit
	if err2 != nil {
		t.Fatal(err2)
	}
	want := fmt.Sprintf("%s: taken by %v, which `%s` ends", r.listen, p, p.End())
	if !errors.Is(err, supervisor.ErrGivenUp) || !strings.Contains(err.Error(), want) {
		t.Errorf("Run: %v, want one that says %q", err, want)
	}
}

// keepalived, more often than not.
func TestWhoSpeaksVRRPOnThisHostIsNamed(t *testing.T) {
	r := prepare(t)
	r.withRouter(false)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112)
	if err != nil {
		t.Fatal(err)
	}
	pid := holder(t, os.NewFile(uintptr(fd), "vrrp")).Process.Pid
	r.start()
	want := fmt.Sprintf("sleep (process %d) speaks VRRP on this host, too", pid)
	r.await("warned", func(s status.Status) bool {
		return slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.HasPrefix(w, want) })
	})
}
