package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// addresses reads the addresses of a virtual router, in their order.
func (d *decoder) addresses(n *node) []netip.Prefix {
	const cure = "list at least one address: [198.51.100.100]"
	items := d.several(n, cure)
	if len(items) == 0 && n.kind == list && len(n.items) == 0 {
		d.fault(n.place, "the list of addresses is empty", cure)
	}
	if len(items) > 255 {
		d.fault(n.place, fmt.Sprintf("%d addresses are more than an advertisement holds", len(items)), "keep 255, and put the others into a virtual router of their own")
	}
	var out []netip.Prefix
	seen := make(map[netip.Addr]bool)
	for _, item := range items {
		p, ok := d.address(item)
		if ok && seen[p.Addr()] {
			d.fault(item.place, fmt.Sprintf("%s is in the list twice", p.Addr()), "keep one of them")
			continue
		}
		if ok {
			seen[p.Addr()] = true
			out = append(out, p)
		}
	}
	return out
}

// address reads an address that a virtual router can own, with or without a
// length.
func (d *decoder) address(n *node) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(n.text)
	a := p.Addr()
	if !strings.Contains(n.text, "/") {
		a, err = netip.ParseAddr(n.text)
		p = netip.PrefixFrom(a, a.BitLen()) // without a's zone
	}
	what, cure := unsuitable(a)
	switch {
	case err != nil:
		what = fmt.Sprintf("%s is not an IP address", show(n.text))
		cure = "write an address such as 198.51.100.100 or 2001:db8::100, with a length (/24) only if it shall be installed with it"
	case what != "":
	case p.Bits() == 0:
		what, cure = fmt.Sprintf("%s makes the whole Internet its network", p), "leave the length out, or write the network's"
	case p.Bits() < a.BitLen()-1 && a == p.Masked().Addr():
		what, cure = fmt.Sprintf("%s is the address of the network itself", p), "choose an address inside it, or leave the length out"
	case a.Is4() && p.Bits() < 31 && a == last(p):
		what, cure = fmt.Sprintf("%s is the broadcast address of its network", p), "choose an address inside it, or leave the length out"
	default:
		return p, true
	}
	d.fault(n.place, what, cure)
	return netip.Prefix{}, false
}

// unsuitable says why no interface can own a, or "".
func unsuitable(a netip.Addr) (what, cure string) {
	const own = "choose a free address of the network that the nodes share"
	switch {
	case !a.IsValid():
		return "not an IP address", own
	case a.Is4In6():
		return fmt.Sprintf("%s is an IPv4 address in the dress of IPv6", a), fmt.Sprintf("write %s", a.Unmap())
	case a.Zone() != "":
		return fmt.Sprintf("%s has a zone", a), fmt.Sprintf("write %s: its interface is the virtual router's", a.WithZone(""))
	case a.IsUnspecified() || a.Is4() && a.As4()[0] == 0:
		return fmt.Sprintf("%s means no address", a), own
	case a.IsLoopback():
		return fmt.Sprintf("%s is a loopback address, which no other host can reach", a), own
	case a.IsMulticast():
		return fmt.Sprintf("%s is a multicast address", a), own
	case a.Is6(): // the rest is IPv4's
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Sprintf("%s is the broadcast address", a), own
	case a.As4()[0] >= 240:
		return fmt.Sprintf("%s is in a reserved range that Linux does not serve as a rule", a), own
	}
	return "", ""
}

// last returns the highest IPv4 address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// peers reads the unicast peers of a virtual router: addresses or host names.
func (d *decoder) peers(n *node) []string {
	const cure = "list the other nodes' own addresses or host names: [198.51.100.3]"
	var out []string
	seen := make(map[string]bool)
	for _, item := range d.several(n, cure) {
		text, what, hint := item.text, "", cure
		a, err := netip.ParseAddr(text)
		if err == nil {
			text = a.String() // of IPv6 there are several ways to write it
		}
		switch {
		case seen[strings.ToLower(text)]:
			what, hint = fmt.Sprintf("%s is in the list twice", show(text)), "keep one of them"
		case err == nil:
			what, hint = unsuitable(a)
		case strings.Contains(text, "/"):
			what, hint = fmt.Sprintf("%s has a length", show(text)), "leave it out: a peer is one host"
		case looksNumeric(text):
			what = fmt.Sprintf("%s is not an IP address", show(text))
		case !isHostName(text):
			what = fmt.Sprintf("%s is neither an address nor a host name", show(text))
		}
		if what != "" {
			d.fault(item.place, what, hint)
			continue
		}
		seen[strings.ToLower(text)] = true
		out = append(out, text)
	}
	return out
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$`)

// isHostName takes underscores too, since Compose makes host names of its
// services' names.
func isHostName(s string) bool { return len(s) <= 253 && hostName.MatchString(s) && !looksNumeric(s) }

// looksNumeric reports whether s was meant as an IPv4 address.
func looksNumeric(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// url reads an address that can be asked by HTTP. With unix, it may be a path
// on a unix socket; without it, TLS is allowed.
func (d *decoder) url(n *node, unix bool) (string, bool) {
	cure := "write http://HOST:PORT/PATH"
	if unix {
		cure += " or http://unix:/SOCKET:/PATH, as in nginx's proxy_pass"
	}
	text, ok := d.text(n, cure)
	if !ok {
		return "", false
	}
	what := urlFault(text, unix)
	if what != "" {
		d.fault(n.place, what, cure)
	}
	return text, what == ""
}

func urlFault(text string, unix bool) string {
	if rest, ok := strings.CutPrefix(text, "http://unix:"); ok && unix {
		socket, path, _ := strings.Cut(rest, ":")
		switch _, err := url.ParseRequestURI(path); {
		case !strings.HasPrefix(socket, "/"):
			return fmt.Sprintf("%s does not name its socket by an absolute path", show(text))
		case len(socket) > maxSocketPath:
			return fmt.Sprintf("the socket's path is %d bytes long, and takes %d at most", len(socket), maxSocketPath)
		case !strings.HasPrefix(path, "/") || err != nil || strings.ContainsAny(path, " \t"):
			return fmt.Sprintf("%s has no path behind its socket", show(text))
		}
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, " \t"):
		return fmt.Sprintf("%s is not a URL", show(text))
	case u.Scheme == "https" && unix:
		return fmt.Sprintf("%s wants TLS, which the status endpoint is asked without", show(text))
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("%s does not begin with http://", show(text))
	case u.Hostname() == "":
		return fmt.Sprintf("%s names no host", show(text))
	case u.User != nil:
		return "a URL with a user name in it would show it to whoever reads the status"
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()):
		return fmt.Sprintf("%s has no port from 1 to 65535", show(text))
	case u.Fragment != "":
		return fmt.Sprintf("%s has a fragment (#%s), which no server is told", show(text), u.Fragment)
	}
	return ""
}
