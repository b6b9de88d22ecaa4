package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// virtualMAC is the address that RFC 9568 section 7.3 reserves for a virtual
// router: 00-00-5E-00-01-VRID, and 00-00-5E-00-02-VRID with IPv6.
func virtualMAC(ipv6 bool, vrid uint8) mac {
	block := byte(1)
	if ipv6 {
		block = 2
	}
	return mac{0x00, 0x00, 0x5e, 0x00, block, vrid}
}

// parent is an interface on which virtual routers have MAC addresses of their
// own. They share it.
type parent struct {
	link
	handle   *netlink.Handle
	requests *requests
	sweeper  *sweeper

	all devconf // of all interfaces

	mu           sync.Mutex   // guards the rest
	before, made devconf      // its settings as they were, and with faces of IPv4
	set          bool         // they are made
	used         map[int]bool // by index, whether a face is in use or about to go
}

// faceMark begins the alias of a face. The parent's settings follow which are to
// be restored: the kernel keeps them where an ngha is killed.
const faceMark = "virtual MAC; before it "

// openParent must be called in the network namespace of r and of l; what it
// returns may be used anywhere, for as long as r.
func openParent(l link, r *requests) (*parent, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	p := &parent{link: l, handle: h, requests: r, used: make(map[int]bool)}
	if p.all, err = devconfOfAll(); err != nil {
		h.Close()
		return nil, fmt.Errorf("settings of %s: %w", l.name, err)
	}
	if p.sweeper, err = openSweeper(p.others); err != nil {
		h.Close()
		return nil, err
	}
	return p, nil
}

// look finds out which settings there were before the faces, those included that
// a killed ngha left. Where it is known it is left at that; between the last face and
// the next one they are nobody's concern, and may change.
func (p *parent) look() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set || len(p.used) > 0 {
		return nil
	}
	if p.before, err = p.requests.devconf(p.index); err != nil {
		return err
	}
	left, err := p.faces()
	if err != nil {
		return err
	}
	for _, l := range left {
		p.set = true // by a run that was killed, or runs beside this one
		note := strings.TrimPrefix(l.Attrs().Alias, faceMark)
		if p.before, err = parseDevconf(note); err != nil {
			return fmt.Errorf("alias of %s, %q: %w", l.Attrs().Name, l.Attrs().Alias, err)
		}
	}
	p.made = p.before.forFace(p.all)
	return nil
}

// faces are those that p has, whoever made them.
func (p *parent) faces() ([]netlink.Link, error) {
	all, err := whole(p.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return slices.DeleteFunc(all, func(l netlink.Link) bool { return l.Attrs().ParentIndex != p.index || !isFace(l) }), nil
}

// isFace tells whether l was made for a virtual MAC address.
func isFace(l netlink.Link) bool { return strings.HasPrefix(l.Attrs().Alias, faceMark) }

// others tells whether there are interfaces in a group that are no faces.
func (p *parent) others(group uint32) (bool, error) {
	all, err := whole(p.handle.LinkList)
	return slices.ContainsFunc(all, func(l netlink.Link) bool { return l.Attrs().Group == group && !isFace(l) }), err
}

// close is for a parent of which this run has no face left. It restores what it
// could not before, as where another ngha's last face went at the same moment.
func (p *parent) close() error {
	defer p.handle.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.sweeper.close(), p.restore())
}

// use makes the settings for a face that has its mark.
func (p *parent) use(f *face) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[f.index] = true
	if f.ipv6 {
		return nil
	}
	p.set = true
	for index, name := range map[int]string{f.index: f.link.Attrs().Name, p.index: p.name} {
		if err := p.requests.setDevconf(index, p.made); err != nil {
			return fmt.Errorf("set %s of %s: %w", p.made, name, err)
		}
	}
	return nil
}

// spare says that a face is about to go. The settings are restored before the last
// one does, whoever made it: they never differ without a mark that tells a later
// run what they were. It is no error when the interface is gone.
func (p *parent) spare(index int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[index] = false
	for _, in := range p.used {
		if in {
			return nil
		}
	}
	return p.restore()
}

// restore restores the settings unless there are faces that are not about to go, of
// an ngha beside this one or of one that was killed. The caller has the lock.
func (p *parent) restore() error {
	if !p.set {
		return nil
	}
	all, err := p.faces()
	if err == nil {
		for _, l := range all {
			if _, ours := p.used[l.Attrs().Index]; !ours {
				return nil
			}
		}
		err = p.requests.restoreDevconf(p.index, p.before, p.made)
	}
	if err != nil {
		return fmt.Errorf("restore the settings of %s: %w", p.name, err)
	}
	p.set = false
	return nil
}

// gone says that a face is.
func (p *parent) gone(index int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, index)
}

// face is the macvlan interface by which a virtual router has its virtual MAC
// address. It is there as long as the Port, and up only while it has the addresses,
// but for a moment after: a Backup must not receive what is sent to that MAC address,
// nor answer for it (RFC 9568 section 6.4.2).
type face struct {
	index    int
	ipv6     bool
	hardware mac
	link     netlink.Link
	parent   *parent
	log      *slog.Logger

	shown atomic.Bool
	mu    sync.Mutex // one sets it up or down at a time
}

// faceName fits the 15 characters of an interface's name as long as the parent's
// index has no more than seven digits.
func faceName(m mac, parent int) string {
	return fmt.Sprintf("v%d-%d.%d", m[5], m[4], parent)
}

// open makes the face of a virtual router. One that was left is replaced.
func (p *parent) open(ipv6 bool, vrid uint8, log *slog.Logger) (*face, error) {
	hardware := virtualMAC(ipv6, vrid)
	wrap := func(err error) error {
		return fmt.Errorf("give %s the virtual MAC address %v: %w", p.name, net.HardwareAddr(hardware[:]), err)
	}
	if p.all.arpFilter != 0 && !ipv6 {
		return nil, wrap(errors.New("net.ipv4.conf.all.arp_filter is on, so that nobody would get an answer: set it to 0"))
	}
	name := faceName(hardware, p.index)
	if err := p.clear(name); err != nil {
		return nil, wrap(err)
	}
	// In private mode the parent would not hear another node that speaks from the
	// same MAC address, as the Active of a contradiction does.
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr = name, p.index, hardware[:]
	if err := p.handle.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_VEPA}); err != nil {
		return nil, wrap(fmt.Errorf("add macvlan %s: %w", name, err))
	}
	l, err := p.handle.LinkByName(name)
	if err != nil {
		return nil, wrap(fmt.Errorf("find %s: %w", name, err))
	}
	f := &face{index: l.Attrs().Index, ipv6: ipv6, hardware: hardware, link: l, parent: p, log: log}
	if err := p.furnish(f); err != nil {
		return nil, errors.Join(wrap(err), f.close())
	}
	return f, nil
}

// clear deletes the face of that name which a killed ngha has left. It comes before
// each face.
func (p *parent) clear(name string) error {
	if err := p.look(); err != nil {
		return fmt.Errorf("settings of %s: %w", p.name, err)
	}
	l, err := p.handle.LinkByName(name)
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil
	}
	if err == nil && isFace(l) {
		err = errors.Join(p.spare(l.Attrs().Index), ignoreGone(p.handle.LinkDel(l))) // its Port may just be closing
		p.gone(l.Attrs().Index)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// furnish makes the settings by which f and its parent do not speak for each
// other.
func (p *parent) furnish(f *face) error {
	name := f.link.Attrs().Name
	if err := p.handle.LinkSetAlias(f.link, faceMark+p.before.String()); err != nil {
		return fmt.Errorf("mark %s: %w", name, err)
	}
	// It has the addresses that it is given, and no others. Of what routers
	// advertise it can only be told by /proc/sys.
	if err := noRouterAdvertisements(name); err != nil {
		f.log.Warn("an interface may take addresses from router advertisements, as it must not", "iface", name, "err", err)
	}
	if err := p.handle.LinkSetIP6AddrGenMode(f.link, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		return fmt.Errorf("keep %s from IPv6 addresses of its own: %w", name, err)
	}
	return p.use(f)
}

// noRouterAdvertisements keeps an interface of the calling thread's namespace from
// making itself addresses and routes. A kernel without IPv6 does not anyway.
func noRouterAdvertisements(name string) error {
	path := "/proc/sys/net/ipv6/conf/" + name + "/accept_ra"
	now, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && strings.TrimSpace(string(now)) == "0" {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte("0"), 0)
}

// close deletes the face, and the addresses with it. It is no error when it is
// gone.
func (f *face) close() error {
	restored := f.parent.spare(f.index)
	err := <-f.parent.sweeper.remove(f)
	f.parent.gone(f.index)
	if err != nil {
		err = fmt.Errorf("delete %s: %w", f.link.Attrs().Name, err)
	}
	return errors.Join(restored, err)
}
