package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// eventually waits until check returns nil.
func eventually(t TB, what string, check func() error) {
	t.Helper()
	l := &Lab{t: t}
	l.Await(what, awaitLimit, check)
}

func TestHostsReachEachOther(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	lan.Attach(a, "198.51.100.1/24", "2001:db8::1/64")
	lan.Attach(b, "198.51.100.2/24", "2001:db8::2/64")
	for _, addr := range []string{"198.51.100.2", "2001:db8::2"} {
		if got := reached(t, a, b, addr, 20, 20); got != 20 {
			t.Errorf("%d of 20 datagrams from a reached %s", got, addr)
		}
	}
	if got, want := b.Neighbor("198.51.100.1"), a.Links()[0].MAC(); got.String() != want.String() {
		t.Errorf("b has a at %v, want %v", got, want)
	}
}

// reached sends n datagrams from one host to an address of another and counts
// those that arrive. It waits for least of them however busy the machine is, and
// at the end until a second has brought no more.
func reached(t *testing.T, from, to *Host, address string, n, least int) int {
	t.Helper()
	var in, out net.Conn
	err := to.Do(func() error {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "9"))
		if err == nil {
			in = conn.(*net.UDPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	err = from.Do(func() (err error) {
		out, err = net.Dial("udp", in.LocalAddr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	got := 0
	const batch = 100 // the receiver's buffer holds them
	for sent := 0; sent < n; {
		for range min(batch, n-sent) {
			sent++
			// A lost answer to ARP shows as an error of a later write.
			if _, err := out.Write([]byte("x")); err != nil && !errors.Is(err, unix.EHOSTUNREACH) {
				t.Fatal(err)
			}
		}
		for buf := make([]byte, 10); ; got++ {
			wait := 10 * time.Millisecond
			if got < least*sent/n {
				wait = 10 * time.Second
			} else if sent == n {
				wait = time.Second
			}
			if err := in.SetReadDeadline(time.Now().Add(wait)); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	return got
}

func TestLinkLosesCarrierWhenItsPortGoesDown(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	link := lab.Bridge("lan").Attach(a, "198.51.100.1/24")
	running := func(want bool) func() error {
		return func() error {
			i, err := a.nl.LinkByName("eth0")
			if err != nil {
				return err
			}
			flags := i.Attrs().RawFlags
			if got := flags&unix.IFF_LOWER_UP != 0; got != want || flags&unix.IFF_UP == 0 {
				return fmt.Errorf("flags are %#x", flags)
			}
			return nil
		}
	}
	eventually(t, "carrier", running(true))
	link.PortDown()
	eventually(t, "no carrier", running(false))
	link.PortUp()
	eventually(t, "carrier again", running(true))
}

func TestLinkComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(*Link)
		want  string // name of the interface afterwards
	}{
		{"down and up", func(l *Link) { l.Down(); l.Up() }, "eth0"},
		{"deleted and created", func(l *Link) { l.Delete(); l.Create() }, "eth0"},
		{"renamed", func(l *Link) { l.Rename("lan7") }, "lan7"},
		{"power off and on", func(l *Link) { l.Host().PowerOff(); l.Host().PowerOn() }, "eth0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := New(t)
			lan := lab.Bridge("lan")
			a, b := lab.Host("a"), lab.Host("b")
			link := lan.Attach(a, "198.51.100.1/24", "2001:db8::1/64")
			lan.Attach(b, "198.51.100.2/24", "2001:db8::2/64")
			mac := link.MAC().String()
			c.fault(link)
			i, err := a.nl.LinkByName(c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := i.Attrs().HardwareAddr.String(); got != mac {
				t.Errorf("hardware address is %s, want %s", got, mac)
			}
			for _, addr := range []string{"198.51.100.2", "2001:db8::2"} {
				if got := reached(t, a, b, addr, 5, 5); got != 5 {
					t.Errorf("%d of 5 datagrams reached %s", got, addr)
				}
			}
		})
	}
}

func TestPowerOffForgetsForeignAddresses(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	lab.Bridge("lan").Attach(a, "198.51.100.1/24")
	if out, err := a.Run("ip", "addr", "add", "198.51.100.100/32", "dev", "eth0"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	a.AwaitHolds("198.51.100.100")
	a.PowerOff()
	a.PowerOn()
	a.AwaitGone("198.51.100.100")
	a.AwaitHolds("198.51.100.1")
}
