package testenv

import (
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// probeSource is the address of nobody from which the probe with such a number
// solicits. What it asks learns a hardware address of nobody for it.
func probeSource(number int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: probePrefix, 15: byte(number)})
}

// solicitation is a Neighbor Solicitation (RFC 4861 section 4.3) for target, by
// multicast, from an address at a hardware address.
func solicitation(mac net.HardwareAddr, from, target netip.Addr) ([]byte, error) {
	// RFC 4291 section 2.7.1, and RFC 2464 section 7.
	t := target.As16()
	group := net.IP{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: t[13], 14: t[14], 15: t[15]}
	ip := &layers.IPv6{
		Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255,
		SrcIP: from.AsSlice(), DstIP: group,
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: mac, DstMAC: append(net.HardwareAddr{0x33, 0x33}, group[12:]...), EthernetType: layers.EthernetTypeIPv6},
		ip, icmp,
		&layers.ICMPv6NeighborSolicitation{
			TargetAddress: target.AsSlice(),
			Options:       layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: mac}},
		})
	return buf.Bytes(), err
}

// decodeNeighbor reads a Neighbor Advertisement; nil when the packet is none.
func decodeNeighbor(packet gopacket.Packet) *Neighbor {
	na, ok := packet.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !ok {
		return nil
	}
	n := &Neighbor{IP: addrFrom(na.TargetAddress), Router: na.Router(), Solicited: na.Solicited(), Override: na.Override()}
	for _, o := range na.Options {
		if o.Type == layers.ICMPv6OptTargetAddress && len(o.Data) == 6 {
			n.MAC = o.Data
		}
	}
	return n
}
