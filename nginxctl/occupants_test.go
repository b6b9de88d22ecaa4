package nginxctl

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Process ids begin anew where they come to their end.
func TestProcessesAreOrderedByAge(t *testing.T) {
	old, next, young := Process{PID: 4_194_000, StartTime: 7}, Process{PID: 4_194_001, StartTime: 7}, Process{PID: 300, StartTime: 8}
	list := []Process{young, next, old}
	slices.SortFunc(list, byAge)
	if diff := cmp.Diff([]Process{old, next, young}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// sleeper is a process that does nothing and has these files open.
func sleeper(t *testing.T, files ...*os.File) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = files
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestOccupantsAreFound(t *testing.T) {
	file := func(c interface{ File() (*os.File, error) }, err error) *os.File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	path := t.TempDir() + "/sock"
	local, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	first := sleeper(t, file(tcp, nil), file(local, nil))
	sleeper(t, file(tcp, nil)) // as a worker has its master's
	second := sleeper(t, file(udp, nil))

	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	_, udpPort, _ := net.SplitHostPort(udp.LocalAddr().String())
	d := parsed("http { server { listen " + port + "; listen unix:" + path + "; listen 127.0.0.1:" + udpPort + "; } }\n" +
		"stream { server { listen 127.0.0.1:" + udpPort + " udp; } }")
	want := []Occupant{
		{first.Process.Pid, []string{tcp.Addr().String(), "unix:" + path}},
		{second.Process.Pid, []string{"udp " + udp.LocalAddr().String()}},
	}
	if diff := cmp.Diff(want, d.Occupants(t.Context(), nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	session, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Occupants(t.Context(), []int{session}); len(got) > 0 {
		t.Errorf("of our own session: %v", got)
	}
}
