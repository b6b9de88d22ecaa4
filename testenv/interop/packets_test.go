package interop_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

const protocolVRRP = 112

// bad is an advertisement that must be discarded, and why.
type bad struct {
	reason string // as ngha counts it
	ttl    uint8  // or hop limit
	data   []byte // its checksum is filled in
	// extensions are the numbers of the headers between that of IPv6 and the
	// message. Of IPv4 there are as many words of options.
	extensions []byte
	// trailer is how many octets follow the message, which IPv4's checksum does
	// not cover.
	trailer int
}

// station is whom a packet goes to.
type station struct {
	address netip.Addr
	mac     net.HardwareAddr
}

// group is where advertisements go (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
func (s setting) group() station {
	if s.ipv6 {
		return station{netip.MustParseAddr("ff02::12"), net.HardwareAddr{0x33, 0x33, 0, 0, 0, 0x12}}
	}
	return station{netip.MustParseAddr("224.0.0.18"), net.HardwareAddr{0x01, 0, 0x5e, 0, 0, 0x12}}
}

// mallory is whence the rubbish comes.
func (s setting) mallory() netip.Addr {
	if s.ipv6 {
		return netip.MustParseAddr("fe80::66")
	}
	return netip.MustParseAddr("198.51.100.66")
}

// advert makes an advertisement (RFC 3768 and RFC 9568, section 5.1 of both)
// without its checksum.
func advert(s setting, priority byte) []byte {
	addresses := s.advertised()
	b := []byte{byte(s.version)<<4 | 1, vrid, priority, byte(len(addresses)), 0, 0, 0, 0}
	if s.version == 2 {
		b[5] = byte(s.interval() / time.Second)
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(s.interval()/(10*time.Millisecond)))
	}
	for _, a := range addresses {
		b = append(b, netip.MustParseAddr(a).AsSlice()...)
	}
	if s.version == 2 {
		b = append(b, make([]byte, 8)...) // authentication data
	}
	return b
}

// seal writes the checksum: over IPv4 of the message alone, which both versions
// know, over IPv6 with the pseudo-header.
func seal(b []byte, src, dst netip.Addr) {
	if len(b) < 8 {
		return
	}
	b[6], b[7] = 0, 0
	covered := b
	if src.Is6() {
		covered = append(src.AsSlice(), dst.AsSlice()...)
		covered = binary.BigEndian.AppendUint32(covered, uint32(len(b)))
		covered = append(append(covered, 0, 0, 0, protocolVRRP), b...)
	}
	binary.BigEndian.PutUint16(b[6:], internetSum(covered))
}

// internetSum is the checksum of RFC 1071.
func internetSum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// frame puts a copy of b into an IP packet from src, and that into a frame.
func frame(sender net.HardwareAddr, src netip.Addr, to station, b bad) []byte {
	message := append([]byte(nil), b.data...)
	if src.Is4() {
		seal(message[:len(message)-b.trailer], src, to.address)
	} else {
		seal(message, src, to.address)
	}
	if b.reason == "checksum" {
		message[6]++
	}
	kind, header := uint16(unix.ETH_P_IP), header4
	if src.Is6() {
		kind, header = unix.ETH_P_IPV6, header6
	}
	return ethernet(sender, to.mac, kind, append(header(src, to.address, b, len(message)), message...))
}

func ethernet(from, to net.HardwareAddr, kind uint16, packet []byte) []byte {
	f := append(append([]byte(nil), to...), from...)
	return append(binary.BigEndian.AppendUint16(f, kind), packet...)
}

// header4 is the IPv4 header before so many octets.
func header4(src, dst netip.Addr, b bad, length int) []byte {
	const word = 4
	h := make([]byte, 20+word*len(b.extensions))
	for i := 20; i < len(h); i++ {
		h[i] = 1 // no operation
	}
	h[0], h[1], h[8], h[9] = byte(0x40|len(h)/word), 0xc0, b.ttl, protocolVRRP
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+length))
	copy(h[12:], src.AsSlice())
	copy(h[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(h[10:], internetSum(h))
	return h
}

// header6 is the IPv6 header, and its extensions, before so many octets. Each
// has eight: a hop-by-hop or destination header with padding, or that of a
// fragment which is all there is.
func header6(src, dst netip.Addr, b bad, length int) []byte {
	h := []byte{0x6c, 0, 0, 0, 0, 0, protocolVRRP, b.ttl}
	binary.BigEndian.PutUint16(h[4:], uint16(8*len(b.extensions)+length))
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	next := 6 // where the number of what follows stands
	for _, number := range b.extensions {
		h[next], next = number, len(h)
		e := []byte{protocolVRRP, 0, 1, 4, 0, 0, 0, 0} // PadN
		if number == unix.IPPROTO_FRAGMENT {
			e = make([]byte, 8)
			e[0] = protocolVRRP
		}
		h = append(h, e...)
	}
	return h
}

// claim has somebody at a hardware address claim an IP address that is not his:
// by a gratuitous ARP, an unsolicited Neighbor Advertisement (RFC 4861 section
// 4.4), or, as one who is about to take the address, by a probe (RFC 5227) or a
// Neighbor Solicitation (RFC 4862 section 5.4.2).
func claim(mac net.HardwareAddr, address netip.Addr, probes bool) []byte {
	if address.Is4() {
		b := []byte{0, 1, 8, 0, 6, 4, 0, 1} // Ethernet, IPv4, request
		sender := address.AsSlice()
		if probes {
			sender = make([]byte, 4)
		}
		b = append(append(b, mac...), sender...)
		b = append(append(b, make([]byte, 6)...), address.AsSlice()...)
		return ethernet(mac, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, unix.ETH_P_ARP, b)
	}
	src, dst := address, netip.MustParseAddr("ff02::1")
	b := []byte{136, 0, 0, 0, 0x20, 0, 0, 0} // Override
	if probes {
		a := address.As16()
		src, dst = netip.IPv6Unspecified(), netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
		b = []byte{135, 0, 0, 0, 0, 0, 0, 0}
	}
	b = append(b, address.AsSlice()...)
	if !probes {
		b = append(append(b, 2, 1), mac...) // the target's
	}
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(b)))
	pseudo = append(pseudo, 0, 0, 0, unix.IPPROTO_ICMPV6)
	binary.BigEndian.PutUint16(b[2:], internetSum(append(pseudo, b...)))
	h := header6(src, dst, bad{ttl: 255}, len(b))
	h[6] = unix.IPPROTO_ICMPV6
	group := dst.As16()
	return ethernet(mac, append(net.HardwareAddr{0x33, 0x33}, group[12:]...), unix.ETH_P_IPV6, append(h, b...))
}

// pour sends frames from the link, so many every millisecond, until stop is
// called or the test ends. next returns the frame of a number.
func pour(t *testing.T, from *testenv.Link, perMillisecond int, next func(i int) []byte) (stop func() (sent int)) {
	t.Helper()
	fd := -1
	err := from.Host().Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatalf("open a packet socket: %v", err)
	}
	out := &unix.SockaddrLinklayer{Ifindex: from.Index()}
	quit, done := make(chan struct{}), make(chan error, 1)
	var sent atomic.Int64
	go func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		begun := time.Now()
		for i := 0; ; {
			select {
			case <-quit:
				done <- nil
				return
			case <-ticker.C:
			}
			// A tick that was late is made up for.
			for due := perMillisecond * int(time.Since(begun)/time.Millisecond); i < due; i++ {
				err := unix.Sendto(fd, next(i), 0, out)
				if errors.Is(err, unix.ENOBUFS) {
					continue // the receiver's queue was full
				}
				if err != nil {
					done <- fmt.Errorf("send: %w", err)
					return
				}
				sent.Add(1)
			}
		}
	}()
	stop = sync.OnceValue(func() int {
		close(quit)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
		return int(sent.Load())
	})
	t.Cleanup(func() { stop() })
	return stop
}
