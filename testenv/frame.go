package testenv

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Frame is one Ethernet frame as a capture saw it, decoded as far as the lab
// is concerned with it.
type Frame struct {
	At       time.Time // the kernel's time stamp
	Data     []byte
	From     string // the sender by its hardware address: "a/eth0"
	Src, Dst net.HardwareAddr

	// Those which the frame is; nil otherwise.
	ARP      *ARP
	IP       *IP
	Neighbor *Neighbor
	Advert   *Advert
	// Announced is the address that a gratuitous ARP, request or reply, or an
	// unsolicited neighbor advertisement claims; not valid otherwise.
	Announced netip.Addr
}

// ARP is an ARP packet for IPv4 on Ethernet.
type ARP struct {
	Reply                bool
	SenderMAC, TargetMAC net.HardwareAddr
	SenderIP, TargetIP   netip.Addr
}

// Neighbor is a Neighbor Advertisement of IPv6 (RFC 4861 section 4.4): IP is at
// MAC.
type Neighbor struct {
	IP                          netip.Addr
	MAC                         net.HardwareAddr // nil: it does not say
	Router, Solicited, Override bool
}

// IP is the header of an IPv4 or IPv6 packet.
type IP struct {
	Src, Dst netip.Addr
	TTL      uint8 // or hop limit
	Protocol uint8
	TOS      uint8 // or traffic class
}

// Advert is a VRRP advertisement of version 2 or 3.
type Advert struct {
	Version   int
	VRID      int
	Priority  int
	Interval  time.Duration
	Addresses []netip.Addr
	Checksum  Checksum
	Trailer   []byte // what follows the message: a signature
}

// Checksum says what the sum in a VRRP message covers.
type Checksum string

const (
	// ChecksumMessage covers the message alone: version 2, and RFC 9568's
	// reading of version 3 over IPv4.
	ChecksumMessage Checksum = "message"
	// ChecksumPseudoHeader covers the pseudo-header too: IPv6, and keepalived's
	// reading of version 3 over IPv4.
	ChecksumPseudoHeader Checksum = "pseudo-header"
	// ChecksumWrong is neither.
	ChecksumWrong Checksum = "wrong"
)

// decodeFrame decodes what a capture read. It keeps data.
func decodeFrame(data []byte, at time.Time) Frame {
	f := Frame{At: at, Data: data}
	packet := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	if eth, ok := packet.Layer(layers.LayerTypeEthernet).(*layers.Ethernet); ok {
		f.Src, f.Dst = eth.SrcMAC, eth.DstMAC
	}
	if arp, ok := packet.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		f.ARP = &ARP{
			Reply:     arp.Operation == layers.ARPReply,
			SenderMAC: arp.SourceHwAddress, TargetMAC: arp.DstHwAddress,
			SenderIP: addrFrom(arp.SourceProtAddress), TargetIP: addrFrom(arp.DstProtAddress),
		}
		if f.ARP.SenderIP == f.ARP.TargetIP {
			f.Announced = f.ARP.SenderIP
		}
		return f
	}
	var payload []byte
	if ip, ok := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok {
		f.IP = &IP{Src: addrFrom(ip.SrcIP), Dst: addrFrom(ip.DstIP), TTL: ip.TTL, Protocol: uint8(ip.Protocol), TOS: ip.TOS}
		payload = ip.Payload
	} else if ip, ok := packet.Layer(layers.LayerTypeIPv6).(*layers.IPv6); ok {
		f.IP = &IP{Src: addrFrom(ip.SrcIP), Dst: addrFrom(ip.DstIP), TTL: ip.HopLimit, Protocol: uint8(ip.NextHeader), TOS: ip.TrafficClass}
		payload = ip.Payload
	}
	switch {
	case f.IP == nil:
	case f.IP.Protocol == protocolVRRP:
		f.Advert = decodeAdvert(payload, f.IP)
	default:
		if f.Neighbor = decodeNeighbor(packet); f.Neighbor != nil && f.IP.Dst.IsMulticast() {
			f.Announced = f.Neighbor.IP
		}
	}
	return f
}

func addrFrom(b []byte) netip.Addr {
	addr, _ := netip.AddrFromSlice(b) // of another length: not valid
	return addr.Unmap()
}

// decodeAdvert reads a VRRP message of RFC 3768 section 5.1 or RFC 9568
// section 5.1; nil when it is none. gopacket knows version 2 only.
func decodeAdvert(b []byte, ip *IP) *Advert {
	const header = 8
	if len(b) < header || b[0]&0x0f != 1 {
		return nil
	}
	a := &Advert{Version: int(b[0] >> 4), VRID: int(b[1]), Priority: int(b[2])}
	switch a.Version {
	case 2:
		a.Interval = time.Duration(b[5]) * time.Second
	case 3:
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0x0fff) * 10 * time.Millisecond
	default:
		return nil
	}
	size := ip.Src.BitLen() / 8
	count := int(b[3])
	end := header + count*size
	if a.Version == 2 {
		end += 8 // authentication data
	}
	if len(b) < end {
		return nil
	}
	for i := range count {
		a.Addresses = append(a.Addresses, addrFrom(b[header+i*size:][:size]))
	}
	if end < len(b) {
		a.Trailer = b[end:]
	}
	if size == 4 {
		b = b[:end] // over IPv6 the checksum covers the trailer
	}
	a.Checksum = checksumOf(b, ip)
	return a
}

func checksumOf(message []byte, ip *IP) Checksum {
	// RFC 8200 section 8.1; for IPv4 the same fields in 16-bit words.
	pseudo := append(ip.Src.AsSlice(), ip.Dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint16(pseudo, protocolVRRP)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(message)))
	switch {
	case onesSum(message) == 0xffff:
		return ChecksumMessage
	case onesSum(append(pseudo, message...)) == 0xffff:
		return ChecksumPseudoHeader
	default:
		return ChecksumWrong
	}
}

// onesSum is the ones' complement sum of RFC 1071: 0xffff over data with a
// right checksum in it.
func onesSum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// String shows the frame in a line.
func (f Frame) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s > ", f.At.Format("15:04:05.000000"), f.From)
	switch {
	case f.Advert != nil:
		a := f.Advert
		fmt.Fprintf(&b, "%v VRRPv%d %v vrid %d priority %d interval %v ttl %d %v (checksum: %s)",
			f.IP.Dst, a.Version, f.IP.Src, a.VRID, a.Priority, a.Interval, f.IP.TTL, a.Addresses, a.Checksum)
	case f.Announced.IsValid():
		fmt.Fprintf(&b, "%v announces %v", f.Dst, f.Announced)
	case f.Neighbor != nil:
		fmt.Fprintf(&b, "%v says that %v is at %v", f.Dst, f.Neighbor.IP, f.Neighbor.MAC)
	case f.ARP != nil && f.ARP.Reply:
		fmt.Fprintf(&b, "%v ARP %v is at %v", f.Dst, f.ARP.SenderIP, f.ARP.SenderMAC)
	case f.ARP != nil:
		fmt.Fprintf(&b, "%v ARP who has %v, tell %v", f.Dst, f.ARP.TargetIP, f.ARP.SenderIP)
	case f.IP != nil:
		fmt.Fprintf(&b, "%v from %v, protocol %d", f.IP.Dst, f.IP.Src, f.IP.Protocol)
	default:
		fmt.Fprintf(&b, "%v, %d bytes", f.Dst, len(f.Data))
	}
	return b.String()
}
