package testenv

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// SendVRRP sends a VRRP message over IPv4 from the link, to the multicast group,
// with whatever source address and TTL. An error fails the test.
func (l *Link) SendVRRP(src string, ttl byte, message []byte) {
	l.host.lab.t.Helper()
	from, err := netip.ParseAddr(src)
	if err != nil {
		l.host.lab.t.Fatalf("%v", err)
	}
	header := make([]byte, 20) // the kernel fills in length and checksum
	header[0], header[8], header[9] = 0x45, ttl, protocolVRRP
	group := [4]byte{224, 0, 0, 18}
	copy(header[12:], from.AsSlice())
	copy(header[16:], group[:])
	err = l.host.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.BindToDevice(fd, l.name); err != nil {
			return err
		}
		return unix.Sendto(fd, append(header, message...), 0, &unix.SockaddrInet4{Addr: group})
	})
	if err != nil {
		l.host.lab.t.Fatalf("send from %s: %v", l.host, err)
	}
}
