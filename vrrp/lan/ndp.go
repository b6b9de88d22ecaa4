package lan

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/mdlayher/ndp"
)

// allNodes is the multicast group of every node on a link, ff02::1, and
// allNodesMAC where its frames go (RFC 2464 section 7).
var (
	allNodes    = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x01})
	allNodesMAC = mac{0x33, 0x33, 0, 0, 0, 1}
)

// protocolICMPv6 is ICMPv6's number.
const protocolICMPv6 = 58

// ip6Header is an IPv6 header (RFC 8200 section 3) with hop limit 255, before so
// many octets of protocol.
func ip6Header(src, dst netip.Addr, class, protocol uint8, length int) []byte {
	const version = 6
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 40+length), version<<28|uint32(class)<<20)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, protocol, ndp.HopLimit)
	b = append(b, src.AsSlice()...)
	return append(b, dst.AsSlice()...)
}

// claim is an IPv6 packet that tells everyone on the LAN that addr is at from: an
// unsolicited Neighbor Advertisement (RFC 9568 section 8.2.2), sent by addr
// itself as the kernel does when an address is new.
func claim(addr netip.Addr, from mac, router bool) ([]byte, error) {
	message, err := ndp.MarshalMessageChecksum(&ndp.NeighborAdvertisement{
		Router:        router,
		Override:      true,
		TargetAddress: addr,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: net.HardwareAddr(from[:])}},
	}, addr, allNodes)
	if err != nil {
		return nil, err
	}
	return append(ip6Header(addr, allNodes, 0, protocolICMPv6, len(message)), message...), nil
}
