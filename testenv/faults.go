package testenv

import (
	"fmt"
	"net"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// protocolVRRP is VRRP's protocol number in an IP header.
const protocolVRRP = 112

// Fault is something the switch does to frames. It lasts until Heal, or until
// the lab ends.
type Fault struct {
	bridge *Bridge
	rules  [][]expr.Any
}

// Heal undoes the fault. To heal twice does nothing.
func (f *Fault) Heal() {
	b := f.bridge
	b.lab.t.Helper()
	b.faults = slices.DeleteFunc(b.faults, func(other *Fault) bool { return other == f })
	b.applyFaults()
}

// Heal undoes every fault of the bridge. Ports stay as they are.
func (b *Bridge) Heal() {
	b.lab.t.Helper()
	b.faults = nil
	b.applyFaults()
}

// Cut drops every frame from one host to another; the other direction works
// on. Both keep their carrier: neither can see it but by silence.
func (b *Bridge) Cut(from, to *Host) *Fault {
	b.lab.t.Helper()
	return b.addFault(b.rule(from, to))
}

// CutBoth drops every frame between two hosts.
func (b *Bridge) CutBoth(one, other *Host) *Fault {
	b.lab.t.Helper()
	return b.addFault(b.rule(one, other), b.rule(other, one))
}

// Partition drops every frame between the hosts of one side and those of the
// other.
func (b *Bridge) Partition(one, other []*Host) *Fault {
	b.lab.t.Helper()
	var rules [][]expr.Any
	for _, x := range one {
		for _, y := range other {
			rules = append(rules, b.rule(x, y), b.rule(y, x))
		}
	}
	return b.addFault(rules...)
}

// Lose drops the given percentage of the frames from one host to another, at
// random.
func (b *Bridge) Lose(from, to *Host, percent int) *Fault {
	b.lab.t.Helper()
	return b.addFault(b.rule(from, to, atRandom(percent)...))
}

// LoseVRRP drops the given percentage of the VRRP messages, of IPv4 and IPv6,
// from one host to another, and nothing else.
func (b *Bridge) LoseVRRP(from, to *Host, percent int) *Fault {
	b.lab.t.Helper()
	const (
		ipv4Protocol   = 9 // offsets in the network header
		ipv6NextHeader = 6
	)
	return b.addFault(
		b.rule(from, to, append(isVRRP(unix.ETH_P_IP, ipv4Protocol), atRandom(percent)...)...),
		b.rule(from, to, append(isVRRP(unix.ETH_P_IPV6, ipv6NextHeader), atRandom(percent)...)...),
	)
}

// FilterAnnouncements drops what says unasked where an address is, gratuitous ARP
// or neighbor advertisements, as switches do that take it for an attack.
func (b *Bridge) FilterAnnouncements(address string) *Fault {
	b.lab.t.Helper()
	addr, err := parseAddr(address)
	if err != nil {
		b.lab.t.Fatalf("filter announcements: %v", err)
	}
	etherType, at, everyone := uint16(unix.ETH_P_ARP), uint32(14), "ff:ff:ff:ff:ff:ff" // the sender's address
	if addr.Is6() {
		etherType, at, everyone = unix.ETH_P_IPV6, 40+8, "33:33:00:00:00:01" // the target, in ICMPv6
	}
	to, err := net.ParseMAC(everyone)
	if err != nil {
		b.lab.t.Fatalf("filter announcements: %v", err)
	}
	return b.addFault([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(etherType)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: uint32(len(addr.AsSlice()))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr.AsSlice()},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: 6},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: to},
		&expr.Verdict{Kind: expr.VerdictDrop},
	})
}

// rule drops frames that go from one host's port to another's and meet match.
func (b *Bridge) rule(from, to *Host, match ...expr.Any) []expr.Any {
	b.lab.t.Helper()
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: interfaceName(b.link(from).port)},
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: interfaceName(b.link(to).port)},
	}
	rule = append(rule, match...)
	return append(rule, &expr.Verdict{Kind: expr.VerdictDrop})
}

// interfaceName is a name as the kernel compares it, padded with zeros.
func interfaceName(name string) []byte {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return padded
}

// atRandom matches the given percentage of frames. Registers are compared
// byte by byte, hence in network order.
func atRandom(percent int) []expr.Any {
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: 100, Type: unix.NFT_NG_RANDOM},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(percent))},
	}
}

func isVRRP(etherType uint16, protocolOffset uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(etherType)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: protocolOffset, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocolVRRP}},
	}
}

func (b *Bridge) addFault(rules ...[]expr.Any) *Fault {
	b.lab.t.Helper()
	f := &Fault{bridge: b, rules: rules}
	b.faults = append(b.faults, f)
	b.applyFaults()
	return f
}

// applyFaults makes the kernel's rules those of b.faults, in one transaction.
func (b *Bridge) applyFaults() {
	b.lab.t.Helper()
	if err := b.writeRules(); err != nil {
		b.lab.t.Fatalf("faults of bridge %s: %v", b.name, err)
	}
}

func (b *Bridge) writeRules() error {
	if b.rules == nil {
		var err error
		if b.rules, err = nftables.New(nftables.WithNetNSFd(int(b.net.ns)), nftables.AsLasting()); err != nil {
			return fmt.Errorf("open nftables: %w", err)
		}
	}
	table := b.rules.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: "faults"})
	chain := b.rules.AddChain(&nftables.Chain{
		Table: table, Name: "forward", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	b.rules.FlushChain(chain)
	for _, f := range b.faults {
		for _, exprs := range f.rules {
			b.rules.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
	if err := b.rules.Flush(); err != nil {
		return fmt.Errorf("write the nftables rules: %w", err)
	}
	return nil
}
