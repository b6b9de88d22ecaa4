package lan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
)

// faces are what a Port has for its virtual MAC addresses.
type faces struct {
	list []*face
	out  sender      // multicast, by the face of the election's family
	up   atomic.Bool // they have the addresses
}

// openFaces makes a face for each family of the virtual addresses.
func (p *Port) openFaces(l link) error {
	on, err := p.parent(l)
	if err != nil {
		return err
	}
	p.faces = new(faces)
	for _, a := range p.addrs {
		if p.face(a.Addr()) != nil {
			continue
		}
		f, err := on.open(a.Addr().Is6(), p.vrid, p.log)
		if err != nil {
			return err
		}
		p.faces.list = append(p.faces.list, f)
	}
	p.faces.out, err = openOut(p.face(p.addrs[0].Addr()))
	return err
}

// clearFaces deletes what a killed run left that had a virtual MAC address, also
// where this one has none.
func (p *Port) clearFaces(l link, t *table) error {
	for _, ipv6 := range []bool{false, true} {
		name := faceName(virtualMAC(ipv6, p.vrid), p.index)
		if left, ok := t.byName(name); !ok || !left.face {
			continue
		}
		on, err := p.parent(l)
		if err != nil {
			return err
		}
		if err := on.clear(name); err != nil {
			return err
		}
		p.log.Info("leftover interface removed", "iface", name)
	}
	return nil
}

// parent is the Port's interface as one with faces.
func (p *Port) parent(l link) (*parent, error) {
	return share(p, key{"parent of faces", p.index}, func() (*parent, error) { return openParent(l, p.requests) })
}

// openOut returns nil with an error, and no interface with nothing in it.
func openOut(f *face) (sender, error) {
	var out sender
	var err error
	if f.ipv6 {
		out, err = openOut6(f.index)
	} else {
		out, err = openOut4(f.index)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// face is the one that has an address, nil: the interface itself has it.
func (p *Port) face(a netip.Addr) *face {
	if p.faces == nil {
		return nil
	}
	for _, f := range p.faces.list {
		if f.ipv6 == a.Is6() {
			return f
		}
	}
	return nil
}

// home is the interface that has a virtual address, by its index.
func (p *Port) home(a netip.Addr) int {
	if f := p.face(a); f != nil {
		return f.index
	}
	return p.index
}

// hardware is the MAC address that clients find a virtual address at.
func (p *Port) hardware(a netip.Addr) mac {
	if f := p.face(a); f != nil {
		return f.hardware
	}
	return *p.mac.Load()
}

// has tells whether it is a virtual address that a is about, where it belongs.
func (p *Port) has(a *address) bool {
	return slices.Contains(p.addrs, a.local) && a.index == p.home(a.local.Addr())
}

// learn takes in faces of which the kernel's notice is still to come.
func (t *table) learn(f *faces) {
	for _, face := range f.list {
		t.apply(update{link: &link{index: face.index, name: face.link.Attrs().Name, mac: face.hardware, face: true}})
	}
}

// sender is by which way a packet leaves. Advertisements to the group come from
// the virtual MAC address (RFC 9568 section 7.3), from which switches learn where
// it is, as long as it is here.
func (p *Port) sender(dst netip.Addr) sender {
	if p.faces != nil && dst.IsMulticast() && p.faces.up.Load() {
		return p.faces.out
	}
	return p.segment.wire
}

// show sets the faces up.
func (f *faces) show() error {
	f.up.Store(true)
	for _, face := range f.list {
		if err := face.show(); err != nil {
			return err
		}
	}
	return nil
}

// hide sets them down, in a moment.
func (f *faces) hide() {
	f.up.Store(false)
	for _, face := range f.list {
		face.hide()
	}
}

// missing names a face that somebody has deleted, nil: there is none.
func (f *faces) missing(t *table) error {
	for _, face := range f.list {
		if _, ok := t.links[face.index]; !ok {
			return fmt.Errorf("interface %s, which has the virtual MAC address, was deleted", face.link.Attrs().Name)
		}
	}
	return nil
}

func (f *faces) close() error {
	var errs []error
	if f.out != nil {
		errs = append(errs, f.out.close())
	}
	for _, face := range f.list {
		errs = append(errs, face.close())
	}
	return errors.Join(errs...)
}
