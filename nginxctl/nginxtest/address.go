package nginxtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// FreeAddress is a loopback address, of this process's own, with a port that is
// free there.
func FreeAddress(t testing.TB) string {
	t.Helper()
	pid := os.Getpid()
	own := netip.AddrFrom4([4]byte{127, 128 | byte(pid>>16), byte(pid >> 8), byte(pid)})
	return netip.AddrPortFrom(own, FreePort(t)).String()
}

// FreePort is a port that is free on all addresses. It is not of those that the
// kernel gives to who lets it choose, so that nobody gets it before it is bound.
func FreePort(t testing.TB) uint16 {
	t.Helper()
	for {
		port := 10000 + rand.N[uint16](20000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return port
	}
}
