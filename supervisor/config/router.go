package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ngha/vrrp"
)

// priority reads a priority that a node may be given.
func (d *decoder) priority(n *node) uint8 {
	const cure = "use 2 to 254: the highest is active, the others stand by (default 100)"
	if n.kind == scalar {
		switch n.text {
		case "0":
			d.fault(n.place, "priority 0 is what a node says when it gives its addresses up", cure)
			return 0
		case "1":
			d.fault(n.place, "priority 1 is the last resort, at which an ill node takes part", cure)
			return 0
		case "255":
			d.fault(n.place, "priority 255 says that the addresses are always this node's own, which no node of ngha says", cure)
			return 0
		}
	}
	p, _ := d.number(n, "priority", 2, 254)
	return uint8(p)
}

// version reads a version of VRRP. 0 is none.
func (d *decoder) version(n *node) vrrp.Version {
	switch w, _ := d.word(n, "version of VRRP", "3", "2"); w {
	case "2":
		return vrrp.V2
	case "3":
		return vrrp.V3
	}
	return 0
}

// failback reads now, never or after D.
func (d *decoder) failback(n *node) vrrp.Failback {
	const cure = "write now, never, or after with a time from 1ms to 24h: after 30s"
	text, ok := d.text(n, cure)
	if !ok {
		return vrrp.Failback{}
	}
	switch words := strings.Fields(text); {
	case text == "now":
		return vrrp.Failback{}
	case text == "never":
		return vrrp.Failback{Never: true}
	case len(words) == 2 && words[0] == "after":
		after, ok := d.parseDuration(n, words[1])
		if ok && (after < time.Millisecond || after > 24*time.Hour) {
			d.fault(n.place, fmt.Sprintf("failback after %s is out of range", show(words[1])), cure)
		}
		return vrrp.Failback{After: after}
	default:
		if _, err := time.ParseDuration(text); err == nil {
			d.fault(n.place, fmt.Sprintf("failback %s lacks a word", show(text)), fmt.Sprintf("write after %s", text))
		} else {
			d.fault(n.place, fmt.Sprintf("%s is no failback", show(text)), cure)
		}
	}
	return vrrp.Failback{}
}

// routersTogether checks each virtual router as a whole and all against each
// other.
func routersTogether(d *decoder, ns []*node, vs []VirtualRouter) {
	for i := range vs {
		d.required(ns[i], "vrid", "the virtual router",
			"add `vrid: N` with a number from 1 to 255 which all its nodes share and nobody else on the network uses",
			"add --vrid N (NGHA_VRID) with a number from 1 to 255 which all its nodes share and nobody else on the network uses")
		d.required(ns[i], "addresses", "the virtual router",
			"add `addresses: [198.51.100.100]` with the addresses that clients use",
			"add --vip ADDRESS (NGHA_VIP) with the address that clients use")
		if vs[i].Name == "" && vs[i].VRRP.VRID != 0 {
			vs[i].Name = "vrid-" + strconv.Itoa(int(vs[i].VRRP.VRID))
		}
		vs[i].VRRP.Unicast = len(vs[i].Peers) > 0
		if _, given := ns[i].child("checksum"); given && vs[i].VRRP.Version == vrrp.V2 {
			d.fault(ns[i].at("checksum"), "the checksum can be chosen under version 3 only", "leave checksum out, or version 2")
		}
		d.trust(ns[i], vs[i])
		d.family(ns[i], vs[i])
		d.ownPeers(ns[i], vs[i])
		for j := range i {
			d.unlike(ns[j], ns[i], vs[j], vs[i])
		}
	}
	d.groups(ns, vs)
}

// trust checks that what v believes others by goes together.
func (d *decoder) trust(n *node, v VirtualRouter) {
	_, auth := n.child("auth")
	for _, key := range []string{"password", "password_file"} {
		at := n.at(key)
		if _, given := n.child(key); !given {
			continue
		}
		switch _, other := n.child("password"); {
		case key == "password_file" && other:
			d.fault(at, "there are two sources of the password", "leave out password or password_file")
		case auth:
			d.fault(at, "a password beside auth, which is better", "leave one of them out")
		case v.VRRP.Version == vrrp.V3:
			d.fault(at, "VRRP version 3 knows no password", "use auth with a keys_file, or version 2 on all nodes")
		}
	}
	if v.VRRP.Routed && !v.VRRP.Unicast {
		d.fault(n.at("allow_routed"), "multicast crosses no router", "list the other nodes in peers, or leave allow_routed out")
	}
}

// groups checks the virtual routers that move together. Of two nodes the same
// one must be the better in each of them.
func (d *decoder) groups(ns []*node, vs []VirtualRouter) {
	first := make(map[string]int)
	members := make(map[string]int)
	for i, v := range vs {
		if v.Group == "" {
			continue
		}
		members[v.Group]++
		if members[v.Group] == 1 {
			first[v.Group] = i
			continue
		}
		a := vs[first[v.Group]]
		for key, same := range map[string]bool{
			"priority":  v.VRRP.Priority == a.VRRP.Priority,
			"failback":  v.VRRP.Failback == a.VRRP.Failback,
			"unhealthy": v.Release == a.Release,
		} {
			if !same {
				d.fault(ns[i].at(key), fmt.Sprintf("another %s than %s has, in the same group", key, a.Name), "give all of group "+v.Group+" the same one")
			}
		}
	}
	for group, n := range members {
		if i := first[group]; n == 1 {
			d.fault(ns[i].at("group"), fmt.Sprintf("nobody else is in group %s", group), "name the same group at every virtual router that shall move with this one, or leave it out")
		}
	}
}

// interval reads what version allows from one advertisement to the next.
func (d *decoder) interval(n *node, version vrrp.Version) time.Duration {
	const step = 10 * time.Millisecond
	text, ok := d.text(n, "write a time such as 1s")
	if !ok {
		return 0
	}
	v, ok := d.parseDuration(n, text)
	rounded := v.Truncate(step)
	switch {
	case !ok:
	case version == vrrp.V2 && v > 0 && v%time.Second != 0:
		d.fault(n.place, fmt.Sprintf("interval %s: VRRP version 2 counts in whole seconds", show(text)), "write 1s to 255s, or use version 3 on all nodes")
	case version == vrrp.V2 && (v < time.Second || v > 255*time.Second):
		d.fault(n.place, fmt.Sprintf("interval %s is out of range", show(text)), "VRRP version 2 knows 1s to 255s")
	case version == vrrp.V3 && (v < step || v > 40*time.Second):
		d.fault(n.place, fmt.Sprintf("interval %s is out of range", show(text)), "VRRP version 3 knows 10ms to 40s")
	case version == vrrp.V3 && v != rounded:
		d.fault(n.place, fmt.Sprintf("interval %s: VRRP version 3 counts in steps of 10ms", show(text)), fmt.Sprintf("write %s or %s", rounded, rounded+step))
	}
	return v
}

// ownPeers checks that no virtual address of v is also its peer.
func (d *decoder) ownPeers(n *node, v VirtualRouter) {
	peers, ok := n.child("peers")
	if !ok {
		return
	}
	for _, item := range peers.scalars() {
		for _, a := range v.VRRP.Addrs {
			if peer, err := netip.ParseAddr(item.text); err == nil && peer == a.Addr() {
				d.fault(item.place, fmt.Sprintf("%s is the virtual address itself", a.Addr()), "name the other node by an address of its own")
			}
		}
	}
}

// unlike checks that b, which comes later in the file, is not in a's way.
func (d *decoder) unlike(an, bn *node, a, b VirtualRouter) {
	first := fmt.Sprintf("the first one is in line %d", an.line)
	same := a.VRRP.VRID == b.VRRP.VRID && a.VRRP.VRID != 0
	switch {
	case same && a.Interface != "" && a.Interface == b.Interface:
		d.fault(bn.at("vrid"), fmt.Sprintf("VRID %d is taken on %s by another virtual router", b.VRRP.VRID, b.Interface), first+": give each a VRID of its own")
	case same && (a.Interface == "" || b.Interface == ""):
		d.fault(bn.at("vrid"), fmt.Sprintf("VRID %d is taken by another virtual router, which may be on the same interface", b.VRRP.VRID),
			first+": give each a VRID of its own, or name the interface of both")
	case a.Name == b.Name && a.Name != "":
		d.fault(bn.at("name"), fmt.Sprintf("a second virtual router is called %s", a.Name), first+": give each a `name` of its own")
	}
	for _, p := range a.VRRP.Addrs {
		for _, q := range b.VRRP.Addrs {
			if p.Addr() == q.Addr() {
				d.fault(bn.at("addresses"), fmt.Sprintf("%s is an address of two virtual routers", p.Addr()), first+": keep it in one of them")
			}
		}
	}
}

// required checks that n has key. Who wrote n on the command line or into the
// environment is told how to say it there.
func (d *decoder) required(n *node, key, whose, inFile, elsewhere string) {
	if _, ok := n.child(key); ok || !n.keyed() {
		return
	}
	if n.source.rank != rankFile {
		inFile = elsewhere
	}
	d.fault(n.place, fmt.Sprintf("%s has no %s", whose, key), inFile)
}

// checkTogether checks each check as a whole and the names of all.
func checkTogether(d *decoder, ns []*node, cs []Check) {
	names := make(map[string]int)
	for i, c := range cs {
		d.required(ns[i], "name", "the check", "add `name: NAME`", "")
		if line, taken := names[c.Name]; taken && c.Name != "" {
			d.fault(ns[i].at("name"), fmt.Sprintf("a second check is called %s", c.Name), fmt.Sprintf("the first one is in line %d: give each a name of its own", line))
		}
		names[c.Name] = ns[i].line
		var kinds []string
		for _, kind := range []string{"arp", "http", "link", "exec"} {
			if _, ok := ns[i].child(kind); ok {
				kinds = append(kinds, kind)
			}
		}
		switch {
		case len(kinds) == 0 && ns[i].keyed():
			d.fault(ns[i].place, "the check asks nothing", "add one of arp: ADDRESS, http: URL, link: INTERFACE, exec: [PROGRAM]")
		case len(kinds) > 1:
			d.fault(ns[i].at(kinds[1]), fmt.Sprintf("one check asks %d things: %s", len(kinds), strings.Join(kinds, ", ")), "make one entry of each")
		}
	}
}

// states reads the states that a hook runs for.
func (d *decoder) states(n *node) []string {
	var out []string
	items := d.several(n, "list some of active, backup, stopped")
	if n.kind == list && len(n.items) == 0 {
		d.fault(n.place, "the hook would never run", "list some of active, backup, stopped")
	}
	for _, item := range items {
		w, ok := d.word(item, "state that a hook runs for", "active", "backup", "stopped")
		switch {
		case ok && slices.Contains(out, w):
			d.fault(item.place, fmt.Sprintf("%s is in the list twice", w), "keep one of them")
		case ok:
			out = append(out, w)
		}
	}
	return out
}

func hooksTogether(d *decoder, ns []*node, _ []Hook) {
	for _, n := range ns {
		d.required(n, "on", "the hook", "add `on: [active, backup, stopped]`, or some of them", "")
		d.required(n, "exec", "the hook", "add `exec: [/path/of/program]`", "")
	}
}
