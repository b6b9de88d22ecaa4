package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Protocol is the IP protocol number of VRRP (RFC 9568 section 5.1.1.4).
const Protocol = 112

// TTL is the TTL or Hop Limit that every advertisement is sent with and must
// arrive with, which proves that no router forwarded it (RFC 9568 sections
// 5.1.1.3 and 5.1.2.3).
const TTL = 255

// GroupIPv4 is the multicast group of VRRP over IPv4, 224.0.0.18 (RFC 9568
// section 5.1.1.2), GroupIPv6 that over IPv6, ff02::12 (section 5.1.2.2).
var (
	GroupIPv4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	GroupIPv6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12})
)

// Packet is an IP packet of protocol 112 as read from the LAN or given to it.
type Packet struct {
	Src, Dst netip.Addr
	TTL      uint8
	// Payload is the VRRP message. It ends where the IP header says, without
	// the padding of a short Ethernet frame.
	Payload []byte
}

// Advertisement is the one message of VRRP (RFC 9568 section 5.2, RFC 3768
// section 5.3).
type Advertisement struct {
	Version  Version
	VRID     uint8
	Priority uint8
	// Interval is the sender's Advertisement_Interval. On the wire it has
	// steps of 10ms up to 40.95s in V3, and of 1s up to 255s in V2; what lies
	// between two steps is cut off.
	Interval time.Duration
	// Addrs are the virtual addresses: 1-255 of them, of the family over which
	// the advertisement travels.
	Addrs []netip.Addr
	// Auth is how V2 authenticates itself, and Password is the password if it
	// does by one. V3 has neither.
	Auth     AuthType
	Password Password
	// Checksum tells how the checksum of a parsed advertisement was computed.
	// AppendTo does not look at it.
	Checksum ChecksumMode
}

// The fixed part of a message, which both versions share but for two octets:
//
//	octet  V3 (RFC 9568 section 5.2)         V2 (RFC 3768 section 5.3)
//	0      version 4 bits, type 4 bits       the same
//	1      VRID                              the same
//	2      priority                          the same
//	3      count of addresses                the same
//	4      reserved 4 bits, interval 12 bits authentication type
//	5        ... in centiseconds             interval in seconds
//	6-7    checksum                          the same
//	8-     addresses, 4 or 16 octets each    addresses, 4 octets each
//	then   nothing                           8 octets of authentication data
const (
	headerLen   = 8
	authDataLen = 8 // present in V2 even when the authentication type is none

	typeAdvertisement = 1

	// intervalMask keeps the 12 bits of the interval and drops the reserved
	// ones, which are sent as zero and ignored on receipt (RFC 9568 section
	// 5.2.6).
	intervalMask = 0x0fff
)

// The units of the interval field.
const (
	unitV2 = time.Second
	unitV3 = 10 * time.Millisecond
)

// AppendTo appends a's wire form to b, for the way from src to dst, and returns
// the extended slice. The checksum of V3 over IPv4 is computed as sum says, that
// over IPv6 always with the pseudo-header. Src, dst and a's addresses must be of
// one family; V2 has IPv4 alone.
func (a Advertisement) AppendTo(b []byte, src, dst netip.Addr, sum ChecksumMode) []byte {
	start := len(b)
	if src.Is6() {
		sum = PseudoHeader
	}
	b = append(b, byte(a.Version)<<4|typeAdvertisement, a.VRID, a.Priority, byte(len(a.Addrs)))
	if a.Version == V2 {
		b = append(b, byte(a.Auth), byte(a.Interval/unitV2))
		sum = MessageOnly
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/unitV3)&intervalMask)
	}
	b = append(b, 0, 0) // the checksum, computed over itself as zero
	for _, addr := range a.Addrs {
		if addr.Is4() {
			v4 := addr.As4()
			b = append(b, v4[:]...)
		} else {
			v6 := addr.As16()
			b = append(b, v6[:]...)
		}
	}
	if a.Version == V2 {
		b = append(b, a.Password[:]...)
	}
	msg := b[start:]
	binary.BigEndian.PutUint16(msg[6:], checksum(msg, src, dst, sum))
	return b
}

// Parse checks p as RFC 9568 section 7.1 and RFC 3768 section 7.1 demand,
// which do not depend on a configuration, and returns what it says. The
// error is always a *DiscardError. The result does not share p's memory.
func Parse(p Packet) (Advertisement, error) { return parse(p, 0) }

// parse is Parse for a packet with so many octets behind its message.
func parse(p Packet, trailer int) (Advertisement, error) {
	var none Advertisement
	src, dst := p.Src.Unmap(), p.Dst.Unmap()
	if err := checkIP(src, dst, p.TTL); err != nil {
		return none, err
	}
	msg := p.Payload[:len(p.Payload)-trailer]
	if err := checkShape(msg, src); err != nil {
		return none, err
	}
	a := Advertisement{
		Version:  Version(msg[0] >> 4),
		VRID:     msg[1],
		Priority: msg[2],
		Interval: interval(msg),
	}
	summed := msg
	if src.Is6() {
		summed = p.Payload // RFC 8200 section 8.1: all that follows the IP header
	}
	var ok bool
	if a.Checksum, ok = verify(a.Version, summed, src, dst); !ok {
		return none, discard(ReasonChecksum, 0)
	}
	switch {
	case a.Version == V2 && AuthType(msg[4]) > AuthPassword:
		return none, discard(ReasonAuth, int(msg[4]))
	case msg[3] == 0:
		return none, discard(ReasonCount, 0)
	case a.VRID == 0:
		return none, discard(ReasonVRID, 0)
	case a.Interval == 0:
		return none, discard(ReasonInterval, 0)
	}
	a.Addrs = addrs(msg, addrLen(src))
	if a.Version == V2 && AuthType(msg[4]) == AuthPassword {
		a.Auth = AuthPassword
		a.Password = Password(msg[len(msg)-authDataLen:])
	}
	return a, nil
}

// checkIP checks what the IP header says.
func checkIP(src, dst netip.Addr, ttl uint8) error {
	switch {
	case !src.IsValid() || src.BitLen() != dst.BitLen():
		return discard(ReasonFamily, 0)
	case ttl != TTL:
		return discard(ReasonTTL, int(ttl))
	case src.IsUnspecified() || src.IsMulticast() || src == broadcastIPv4:
		return discard(ReasonSource, 0)
	}
	return nil
}

var broadcastIPv4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// checkShape checks that msg, sent by src, is a message whose fields can be read.
func checkShape(msg []byte, src netip.Addr) error {
	if len(msg) < headerLen {
		return discard(ReasonLength, 0)
	}
	version := Version(msg[0] >> 4)
	want := messageLen(msg, addrLen(src))
	switch {
	case version != V3 && (version != V2 || src.Is6()):
		return discard(ReasonVersion, int(version))
	case msg[0]&0x0f != typeAdvertisement:
		return discard(ReasonType, 0)
	case len(msg) < want:
		return discard(ReasonLength, 0)
	case len(msg) > want:
		return discard(ReasonTrailer, len(msg)-want)
	}
	return nil
}

// addrLen is how many octets an address of a's family takes.
func addrLen(a netip.Addr) int { return a.BitLen() / 8 }

// messageLen is how long the fields of the header at the beginning of b say
// that the message is, if its addresses are addrLen octets long.
func messageLen(b []byte, addrLen int) int {
	n := headerLen + int(b[3])*addrLen
	if Version(b[0]>>4) == V2 {
		n += authDataLen
	}
	return n
}

// interval reads the interval field of a message whose shape is right.
func interval(msg []byte) time.Duration {
	if Version(msg[0]>>4) == V2 {
		return time.Duration(msg[5]) * unitV2
	}
	return time.Duration(binary.BigEndian.Uint16(msg[4:])&intervalMask) * unitV3
}

// addrs reads the addresses of a message whose shape is right.
func addrs(msg []byte, addrLen int) []netip.Addr {
	list := make([]netip.Addr, msg[3])
	for i := range list {
		at := headerLen + i*addrLen
		list[i], _ = netip.AddrFromSlice(msg[at : at+addrLen]) // 4 or 16 octets: always one
	}
	return list
}
