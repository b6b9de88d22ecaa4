package nginxctl

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Listen is one `listen` directive of an http server.
type Listen struct {
	Unix  string         // path of a unix socket, else ""
	Addr  netip.AddrPort // the unspecified address for a wildcard
	Name  string         // a host name that nginx resolves, in place of Addr's address
	TLS   bool
	Proxy bool // expects the PROXY protocol
	QUIC  bool

	server    int  // position of its server among all http servers
	isDefault bool // of its socket
}

// key names the socket: directives of several servers share it.
func (l Listen) key() string {
	if l.Unix != "" {
		return "unix:" + l.Unix
	}
	if l.Name != "" {
		return net.JoinHostPort(l.Name, strconv.Itoa(int(l.Addr.Port())))
	}
	return l.Addr.String()
}

// loopback is where a client on this machine reaches the socket whatever
// addresses the node has just now; invalid if nowhere.
func (l Listen) loopback() netip.AddrPort {
	a := l.Addr.Addr()
	switch {
	case l.Unix != "" || l.Name != "":
		return netip.AddrPort{}
	case a.IsUnspecified() && a.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.Addr.Port())
	case a.IsUnspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), l.Addr.Port())
	case a.IsLoopback():
		return l.Addr
	}
	return netip.AddrPort{}
}

// parseListen reads the arguments of a `listen` of the http module.
func parseListen(args []string) (Listen, bool) {
	if len(args) == 0 {
		return Listen{}, false
	}
	var l Listen
	options := args[1:]
	l.TLS = slices.Contains(options, "ssl")
	l.QUIC = slices.Contains(options, "quic")
	l.Proxy = slices.Contains(options, "proxy_protocol")
	l.isDefault = slices.Contains(options, "default_server") || slices.Contains(options, "default")
	if path, ok := strings.CutPrefix(args[0], "unix:"); ok {
		l.Unix = path
		return l, true
	}
	host, port := splitListen(args[0])
	port, _, _ = strings.Cut(port, "-") // of a range of ports the first
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Listen{}, false
	}
	switch host {
	case "", "*":
		l.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number))
		return l, true
	case "localhost":
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		l.Name, a = host, netip.Addr{}
	}
	l.Addr = netip.AddrPortFrom(a, uint16(number))
	return l, true
}

// splitListen takes an address apart; a port or a host alone will do.
func splitListen(s string) (host, port string) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return s, "80"
		}
		host, port = s[1:end], strings.TrimPrefix(s[end+1:], ":")
	} else if h, p, ok := strings.Cut(s, ":"); ok {
		host, port = h, p
	} else if strings.Trim(s, "0123456789-") == "" {
		return "", s
	} else {
		host = s
	}
	if port == "" {
		port = "80"
	}
	return host, port
}

// defaultListen is what a server without `listen` listens on.
func defaultListen() Listen {
	port := uint16(80)
	if os.Geteuid() != 0 {
		port = 8000
	}
	return Listen{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}
}
