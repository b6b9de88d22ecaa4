package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

// Host is one computer of the lab: a network namespace, and, from the first
// process on, PID, mount and UTS namespaces under an init of its own.
type Host struct {
	lab   *Lab
	name  string
	net   *space
	nl    *netlink.Handle // its sockets live in the namespace, whichever thread uses them
	links []*Link
	ifs   int   // interfaces ever attached
	root  *Root // nil: the machine's own file system

	own      *machine       // nil until the first process, and after PowerOff
	machines []*machine     // own, and one for each container
	launched map[string]int // by name of log, to number the later ones
}

// maxName keeps the name of a port, "name-12", within an interface's 15 bytes.
const maxName = 12

// Host adds a host, which has no interface but lo yet. Its name is its
// hostname, at most 12 bytes long, and unique in the lab.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	if len(name) == 0 || len(name) > maxName {
		l.t.Fatalf("host name %q: want 1 to %d bytes", name, maxName)
	}
	for _, other := range l.hosts {
		if other.name == name {
			l.t.Fatalf("host name %q: taken", name)
		}
	}
	h := &Host{lab: l, name: name, launched: make(map[string]int)}
	var err error
	if h.net, err = newSpace(); err != nil {
		l.t.Fatalf("host %s: %v", name, err)
	}
	l.hosts = append(l.hosts, h)
	if err := h.Do(h.setUp); err != nil {
		l.t.Fatalf("host %s: %v", name, err)
	}
	return h
}

func (h *Host) setUp() error {
	var err error
	if h.nl, err = netlink.NewHandle(); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	lo, err := h.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := h.nl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	// A new namespace copies the machine's setting. A host that forwards hands
	// on what still comes for an address it has given up: a server does not.
	if err := setSysctl("net/ipv4/ip_forward", "0"); err != nil {
		return err
	}
	// The duplicate address detection of IPv6 keeps an address tentative for
	// a second; both settings must be 0 to switch it off.
	for _, name := range []string{"all", "default"} {
		if err := ignoreMissing(setSysctl("net/ipv6/conf/"+name+"/accept_dad", "0")); err != nil {
			return err
		}
	}
	return nil
}

// setSysctl sets a kernel parameter. Those below net/ are the calling
// thread's network namespace's.
func setSysctl(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
}

// ignoreMissing passes over a parameter that this kernel, built without IPv6,
// does not have.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Name is the host's name.
func (h *Host) Name() string { return h.name }

func (h *Host) String() string { return h.name }

// Do runs f on the host's thread, in its network namespace, and returns f's
// error. Sockets that f opens itself stay in the namespace for good;
// goroutines that f starts do not run there. f must not call Fatalf or Skipf,
// and nobody else can use Do meanwhile. Any goroutine may call Do.
func (h *Host) Do(f func() error) error { return h.net.do(f) }

// Links are the host's interfaces, in the order they were attached.
func (h *Host) Links() []*Link { return h.links }

// Addresses lists the addresses on the host's interfaces, lo excepted, as the
// kernel has them now. Any goroutine may call it.
func (h *Host) Addresses() ([]netip.Prefix, error) {
	list, err := h.nl.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of %s: %w", h.name, err)
	}
	var prefixes []netip.Prefix
	for _, a := range list {
		addr, ok := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		if addr = addr.Unmap(); ok && !addr.IsLoopback() {
			prefixes = append(prefixes, netip.PrefixFrom(addr, ones))
		}
	}
	return prefixes, nil
}

// Holds reports whether the host's kernel has the address now. Any goroutine
// may call it.
func (h *Host) Holds(address string) (bool, error) {
	want, err := parseAddr(address)
	if err != nil {
		return false, err
	}
	have, err := h.Addresses()
	if err != nil {
		return false, err
	}
	for _, p := range have {
		if p.Addr() == want {
			return true, nil
		}
	}
	return false, nil
}

// AwaitHolds waits until the host's kernel has the address.
func (h *Host) AwaitHolds(address string) {
	h.lab.t.Helper()
	h.awaitAddress(address, true)
}

// AwaitGone waits until the host's kernel does not have the address.
func (h *Host) AwaitGone(address string) {
	h.lab.t.Helper()
	h.awaitAddress(address, false)
}

func (h *Host) awaitAddress(address string, want bool) {
	h.lab.t.Helper()
	what := fmt.Sprintf("%s to hold %s", h.name, address)
	if !want {
		what = fmt.Sprintf("%s not to hold %s", h.name, address)
	}
	h.lab.Await(what, awaitLimit, func() error {
		holds, err := h.Holds(address)
		if err != nil || holds == want {
			return err
		}
		have, err := h.Addresses()
		return errors.Join(fmt.Errorf("it has %v", have), err)
	})
}

// Neighbor returns the hardware address that the host's kernel uses for ip
// now, nil when it knows none. Any goroutine may call it.
func (h *Host) Neighbor(ip string) net.HardwareAddr {
	h.lab.t.Helper()
	want, err := parseAddr(ip)
	if err != nil {
		h.lab.t.Fatalf("%v", err)
	}
	list, err := h.nl.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		h.lab.t.Fatalf("list the neighbors of %s: %v", h.name, err)
	}
	for _, n := range list {
		if addr, ok := netip.AddrFromSlice(n.IP); ok && addr.Unmap() == want && len(n.HardwareAddr) > 0 {
			return n.HardwareAddr
		}
	}
	return nil
}

// parseAddr accepts an address with or without a length.
func parseAddr(s string) (netip.Addr, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Addr(), nil
	}
	return netip.ParseAddr(s)
}

func (h *Host) close() {
	h.killAll()
	if h.nl != nil {
		h.nl.Close()
	}
	if err := h.net.close(); err != nil {
		h.lab.t.Errorf("close host %s: %v", h.name, err)
	}
}
