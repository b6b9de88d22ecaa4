package neighbour

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnit(t *testing.T) {
	for groups, want := range map[string]string{
		"0::/system.slice/nginx.service\n": "nginx.service",
		"12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/nginx.service\n0::/\n": "nginx.service",
		"0::/docker/0123/system.slice/nginx.service\n":                                          "nginx.service",
		"0::/system.slice/system-keepalived.slice/keepalived@a.service\n":                       "keepalived@a.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/some.service\n":             "",
		"0::/system.slice/system-postgresql.slice/postgresql@15-main.service/child\n":           "postgresql@15-main.service",
		"0::/user.slice/user-0.slice/session-1.scope\n":                                         "",
		"1:name=systemd:/docker/0123\n0::/system.slice/containerd.service\n":                    "",
		"4:memory:/system.slice/other.service\n":                                                "",
		"0::/\n":                                                                                "",
		"":                                                                                      "",
	} {
		if got := unit(groups); got != want {
			t.Errorf("unit(%q) = %q, want %q", groups, got, want)
		}
	}
}

func TestHowToEndIt(t *testing.T) {
	for _, row := range []struct {
		p         Process
		says, end string
	}{
		{Process{7, "nginx", "nginx.service"}, "nginx (process 7 of nginx.service)", "systemctl disable --now nginx"},
		{Process{7, "nginx", ""}, "nginx (process 7)", "kill 7"},
	} {
		if row.p.String() != row.says || row.p.End() != row.end {
			t.Errorf("%+v: %s, %s; want %s, %s", row.p, row.p, row.p.End(), row.says, row.end)
		}
	}
}

func TestGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if p, err := Of(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Of = %v, %v, want that it is gone", p, err)
	}
}

func TestWhoSpeaksVRRP(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112)
	if err != nil {
		if os.Getenv("NGHA_REQUIRE_ROOT_TESTS") == "1" {
			t.Fatal(err)
		}
		t.Skip("a raw socket: ", err)
	}
	socket := os.NewFile(uintptr(fd), "vrrp")
	defer socket.Close() // where other was not started
	speaks := func(pid int) bool {
		t.Helper()
		list, err := SpeakingVRRP()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list, func(p Process) bool { return p.PID == pid })
	}
	if speaks(os.Getpid()) {
		t.Error("this process finds itself")
	}
	other := exec.Command("sleep", "1000")
	other.ExtraFiles = []*os.File{socket}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	if !speaks(other.Process.Pid) {
		raw, _ := os.ReadFile("/proc/thread-self/net/raw")
		t.Errorf("process %d is not found; raw sockets:\n%s", other.Process.Pid, raw)
	}
	if p, err := Of(other.Process.Pid); err != nil || p.Name != "sleep" && p.Name != "neighbour.test" {
		t.Error(fmt.Sprint(p), err)
	}
}
