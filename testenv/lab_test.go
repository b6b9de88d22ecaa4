package testenv

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHostsReachEachOtherThroughTheBridge(t *testing.T) {
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	lan.Attach(a, "198.51.100.1/24", "2001:db8::1/64")
	lan.Attach(b, "198.51.100.2/24", "2001:db8::2/64")
	for _, addr := range []string{"198.51.100.2", "2001:db8::2"} {
		if got := reached(t, a, b, addr, 20); got != 20 {
			t.Errorf("%d of 20 datagrams from a reached %s", got, addr)
		}
	}
}

// reached sends n datagrams from one host to an address of another and counts
// those that arrive.
func reached(t *testing.T, from, to *Host, address string, n int) int {
	t.Helper()
	var in net.PacketConn
	err := to.Do(func() (err error) {
		in, err = net.ListenPacket("udp", net.JoinHostPort(address, "9"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	err = from.Do(func() error {
		out, err := net.Dial("udp", in.LocalAddr().String())
		if err != nil {
			return err
		}
		defer out.Close()
		for range n {
			if _, err := out.Write([]byte("x")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for buf := make([]byte, 10); ; got++ {
		if err := in.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := in.ReadFrom(buf); err != nil {
			return got
		}
	}
}

func TestProcessesOfAHostShareItsMachine(t *testing.T) {
	lab := New(t)
	a := lab.Host("a")
	first := a.Start(exec.Command("sleep", "infinity"))
	out, err := a.Run("sh", "-c", "cat /proc/sys/kernel/hostname; ls -d /run/ngha /run/*; ls /sys/class/net; echo /proc/[0-9]*/stat; cat /proc/[0-9]*/stat; ip a")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	c := a.StartContainer(exec.Command("sh", "-c", "sleep infinity & sleep infinity & wait"))
	t.Log(lab.hosts[0].machines[1].pids(func(int) bool { return true }))
	c.Signal(unix.SIGKILL)
	c.AwaitExit()
	t.Log(lab.hosts[0].machines[1].pids(func(int) bool { return true }))
	_ = first
	_ = os.Getpid
	_ = strings.Contains
}

func TestFaults(t *testing.T) {
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(b, "198.51.100.2/24")
	t.Log(reached(t, a, b, "198.51.100.2", 20), reached(t, b, a, "198.51.100.1", 20))
	lan.Cut(a, b)
	t.Log(reached(t, a, b, "198.51.100.2", 20), reached(t, b, a, "198.51.100.1", 20))
	lan.Heal()
	t.Log(reached(t, a, b, "198.51.100.2", 20), reached(t, b, a, "198.51.100.1", 20))
	f := lan.Lose(a, b, 30)
	t.Log(reached(t, a, b, "198.51.100.2", 1000), reached(t, b, a, "198.51.100.1", 1000))
	f.Heal()
	t.Log(reached(t, a, b, "198.51.100.2", 1000), reached(t, b, a, "198.51.100.1", 1000))
	lan.LoseVRRP(a, b, 30)
}
