package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// ChecksumMode is what the checksum of a VRRPv3 message over IPv4 covers.
// Implementations disagree, so both are accepted and one is chosen to send.
type ChecksumMode uint8

const (
	// PseudoHeader covers the addresses of the IP header too. It is what
	// keepalived and FRR send and insist on.
	PseudoHeader ChecksumMode = iota
	// MessageOnly covers the VRRP message and nothing else, as RFC 9568
	// section 5.2.8 says for IPv4. VRRPv2 knows only this.
	MessageOnly
)

// String returns the configuration's word for c.
func (c ChecksumMode) String() string {
	switch c {
	case PseudoHeader:
		return "pseudo-header"
	case MessageOnly:
		return "rfc9568"
	}
	return "invalid"
}

// checksum computes the Internet checksum of msg, whose checksum field is
// zero.
func checksum(msg []byte, src, dst netip.Addr, mode ChecksumMode) uint16 {
	sum := sum16(0, msg)
	if mode == PseudoHeader {
		sum = sumPseudoHeader(sum, len(msg), src, dst)
	}
	return ^fold(sum)
}

// verify reports whether the checksum of msg is right, and in which mode. Over
// IPv6 there is one alone (RFC 9568 section 5.2.8).
func verify(v Version, msg []byte, src, dst netip.Addr) (ChecksumMode, bool) {
	const right = 0xffff // the sum of a message with its own complement in it
	sum := sum16(0, msg)
	if v == V3 && fold(sumPseudoHeader(sum, len(msg), src, dst)) == right {
		return PseudoHeader, true
	}
	return MessageOnly, fold(sum) == right && src.Is4()
}

// sumPseudoHeader adds the pseudo-header: source, destination, and with zeros
// between them protocol and length. What IPv4 and IPv6 (RFC 8200 section 8.1)
// have apart from their addresses' lengths is the number of zeros.
func sumPseudoHeader(sum uint32, length int, src, dst netip.Addr) uint32 {
	for _, a := range [...]netip.Addr{src, dst} {
		if a.Is4() {
			v4 := a.As4()
			sum = sum16(sum, v4[:])
		} else {
			v6 := a.As16()
			sum = sum16(sum, v6[:])
		}
	}
	return sum + Protocol + uint32(length)
}

// sum16 adds b to sum as big-endian 16-bit words. Every message has an even
// length, of a few thousand octets at most, so that 32 bits hold every carry.
func sum16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	return sum
}

// fold brings sum to 16 bits by end-around carry.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
