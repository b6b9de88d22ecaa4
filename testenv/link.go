package testenv

import (
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
)

// Link is a cable from a host to a bridge: the host's interface at one end, the
// switch's port at the other.
type Link struct {
	host      *Host
	bridge    *Bridge
	name      string // of the host's interface
	port      string // of the switch's
	mac       net.HardwareAddr
	addresses []string
}

// Attach connects h to the bridge by a new interface, named eth0, eth1 and so
// on in the order of attachment, with the given addresses ("198.51.100.1/24").
func (b *Bridge) Attach(h *Host, addresses ...string) *Link {
	b.lab.t.Helper()
	l := &Link{
		host: h, bridge: b, addresses: addresses,
		name: fmt.Sprintf("eth%d", h.ifs),
		port: fmt.Sprintf("%s-%d", h.name, h.ifs),
	}
	// Locally administered, and readable in a capture: bridge, host, interface.
	for i, other := range b.lab.hosts {
		if other == h {
			l.mac = net.HardwareAddr{0x02, 0, 0, byte(b.number + 1), byte(i + 1), byte(h.ifs)}
		}
	}
	h.ifs++
	b.lab.mu.Lock()
	b.lab.macs[l.mac.String()] = h.name + "/" + l.name
	b.lab.mu.Unlock()
	l.Create()
	return l
}

// Create makes the cable anew after Delete, with the same names, hardware
// address and addresses; the kernel gives it a new index.
func (l *Link) Create() {
	l.host.lab.t.Helper()
	l.must("create", l.create())
	l.settle()
	l.host.links = append(l.host.links, l)
	l.bridge.links = append(l.bridge.links, l)
}

func (l *Link) create() error {
	nl := l.bridge.nl
	veth := &netlink.Veth{
		LinkAttrs: netlink.NewLinkAttrs(), PeerName: l.name,
		PeerHardwareAddr: l.mac, PeerNamespace: netlink.NsFd(int(l.host.net.ns)),
	}
	veth.Name = l.port
	if err := nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the pair: %w", err)
	}
	bridge, err := nl.LinkByName(l.bridge.name)
	if err != nil {
		return err
	}
	if err := nl.LinkSetMaster(veth, bridge); err != nil {
		return fmt.Errorf("plug the port: %w", err)
	}
	if err := nl.LinkSetUp(veth); err != nil {
		return fmt.Errorf("set the port up: %w", err)
	}
	return l.setAdmin(true)
}

// Delete removes the interface from the host and the port from the switch, as
// disconnecting a container does. A later Attach connects the host again under
// another name, which is what a container sees; Create restores this one.
func (l *Link) Delete() {
	l.host.lab.t.Helper()
	port, err := l.bridge.nl.LinkByName(l.port)
	if err == nil {
		err = l.bridge.nl.LinkDel(port)
	}
	l.must("delete", err)
	mine := func(other *Link) bool { return other == l }
	l.host.links = slices.DeleteFunc(l.host.links, mine)
	l.bridge.links = slices.DeleteFunc(l.bridge.links, mine)
}

// Down sets the host's interface down, as its administrator would. The kernel
// drops its routes and its IPv6 addresses.
func (l *Link) Down() {
	l.host.lab.t.Helper()
	l.must("set down", l.setAdmin(false))
}

// Up sets the host's interface up again and restores what the kernel dropped.
func (l *Link) Up() {
	l.host.lab.t.Helper()
	l.must("set up", l.setAdmin(true))
	l.settle()
}

func (l *Link) setAdmin(up bool) error {
	link, err := l.host.nl.LinkByName(l.name)
	if err != nil {
		return err
	}
	if !up {
		return l.host.nl.LinkSetDown(link)
	}
	if err := l.host.nl.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range l.addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return fmt.Errorf("address %q: %w", a, err)
		}
		if err := l.host.nl.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("add %s: %w", a, err)
		}
	}
	return nil
}

// PortDown pulls the cable at the switch: the host's interface loses its
// carrier and stays up.
func (l *Link) PortDown() {
	l.host.lab.t.Helper()
	l.must("set the port down", l.setPort((*netlink.Handle).LinkSetDown))
}

// PortUp plugs the cable in again.
func (l *Link) PortUp() {
	l.host.lab.t.Helper()
	l.must("set the port up", l.setPort((*netlink.Handle).LinkSetUp))
	l.settle()
}

func (l *Link) setPort(set func(*netlink.Handle, netlink.Link) error) error {
	port, err := l.bridge.nl.LinkByName(l.port)
	if err != nil {
		return err
	}
	return set(l.bridge.nl, port)
}

// settle waits until frames pass, if both ends are set up. The kernel tells the
// bridge of a carrier a little later, and what is sent before is lost: the
// first ARP request, say, which is repeated after a second only.
func (l *Link) settle() {
	l.host.lab.t.Helper()
	l.host.lab.Await("the link of "+l.host.name+" to pass frames", awaitLimit, func() error {
		port, err := l.bridge.nl.LinkByName(l.port)
		if err != nil {
			return err
		}
		end, err := l.host.nl.LinkByName(l.name)
		if err != nil {
			return err
		}
		p, e := port.Attrs(), end.Attrs()
		wanted := p.Flags&net.FlagUp != 0 && e.Flags&net.FlagUp != 0
		if wanted && (p.OperState != netlink.OperUp || e.OperState != netlink.OperUp) {
			return fmt.Errorf("the port is %v, the host's end %v", p.OperState, e.OperState)
		}
		return nil
	})
}

// Rename gives the host's interface another name, for which it goes down and
// up.
func (l *Link) Rename(name string) {
	l.host.lab.t.Helper()
	l.must("rename", l.rename(name))
	l.settle()
}

func (l *Link) rename(name string) error {
	link, err := l.host.nl.LinkByName(l.name)
	if err != nil {
		return err
	}
	if err := l.host.nl.LinkSetDown(link); err != nil {
		return err
	}
	if err := l.host.nl.LinkSetName(link, name); err != nil {
		return err
	}
	l.name = name
	return l.setAdmin(true)
}

// Steal removes an address from the host's interface behind the back of
// whoever installed it.
func (l *Link) Steal(address string) {
	l.host.lab.t.Helper()
	l.must("remove "+address, l.steal(address))
}

func (l *Link) steal(address string) error {
	want, err := parseAddr(address)
	if err != nil {
		return err
	}
	link, err := l.host.nl.LinkByName(l.name)
	if err != nil {
		return err
	}
	list, err := l.host.nl.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.IP.Equal(net.IP(want.AsSlice())) {
			return l.host.nl.AddrDel(link, &a)
		}
	}
	return fmt.Errorf("%s is not on it", address)
}

// forgetAddresses removes what the interface was not attached with.
func (l *Link) forgetAddresses() error {
	link, err := l.host.nl.LinkByName(l.name)
	if err != nil {
		return err
	}
	list, err := l.host.nl.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range list {
		ones, bits := a.Mask.Size()
		kernels := a.IP.IsLinkLocalUnicast() && ones < bits // the one it makes by itself
		if !kernels && !slices.Contains(l.addresses, a.IPNet.String()) {
			if err := l.host.nl.AddrDel(link, &a); err != nil {
				return fmt.Errorf("remove %v: %w", a.IPNet, err)
			}
		}
	}
	return nil
}

// Name is the name of the host's interface.
func (l *Link) Name() string { return l.name }

// Host is the host at the end of the cable.
func (l *Link) Host() *Host { return l.host }

// MAC is the hardware address of the host's interface.
func (l *Link) MAC() net.HardwareAddr { return l.mac }

// Index is the number the host's kernel gave the interface.
func (l *Link) Index() int {
	l.host.lab.t.Helper()
	link, err := l.host.nl.LinkByName(l.name)
	l.must("find", err)
	return link.Attrs().Index
}

func (l *Link) must(did string, err error) {
	l.host.lab.t.Helper()
	if err != nil {
		l.host.lab.t.Fatalf("link %s/%s of bridge %s: %s: %v", l.host.name, l.name, l.bridge.name, did, err)
	}
}
