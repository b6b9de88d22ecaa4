package nginxctl

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// wanted is what nginx will bind for one address.
type wanted struct {
	endpoint
	count     int  // sockets of this address: one for each worker with reuseport, else 1
	reuseport bool // SO_REUSEPORT
	dual      bool // an IPv6 wildcard that takes IPv4 as well

	explicit bool // bound even beside a wildcard of the same port
	foreign  bool // has an option that we do not know
}

// Parameters of `listen`, in any of nginx's modules, that leave the socket as
// it is. Of those that do not, these are of its own account, and have nginx bind
// the address even where a wildcard covers it. nginx sets them itself on a
// socket that it inherits, but for reuseport and ipv6only.
var (
	plainParameters    = []string{"default_server", "default", "ssl", "http2", "spdy", "quic", "http3", "proxy_protocol", "udp"}
	explicitParameters = []string{"bind", "backlog", "rcvbuf", "sndbuf", "deferred", "so_keepalive", "fastopen", "reuseport", "ipv6only"}
)

// resolveLimit bounds the look-up of one host name.
const resolveLimit = time.Second

// wanted lists the sockets that nginx will listen on. What cannot be told
// beforehand is left out: names that do not resolve, paths that depend on
// nginx's working directory, parameters that we do not know, and all of a
// configuration that is only believed to be nginx's.
func (d *Dump) wanted(ctx context.Context) []wanted {
	if d.guessed {
		return nil
	}
	var list []wanted
	for _, module := range d.main { // http, stream, mail and the like
		for _, w := range bound(d.moduleListens(ctx, module)) {
			if !slices.ContainsFunc(list, func(o wanted) bool { return o.endpoint == w.endpoint }) {
				w.count = 1
				if w.reuseport {
					w.count = d.workers()
				}
				list = append(list, w)
			}
		}
	}
	return slices.DeleteFunc(list, func(w wanted) bool { return w.foreign })
}

// workers is how many workers nginx will start. With `auto` it may start more
// than we may use processors: the sockets of those it opens itself.
func (d *Dump) workers() int {
	args := first(d.main, "worker_processes")
	if len(args) == 0 {
		return 1
	}
	if n, err := strconv.Atoi(args[0]); err == nil {
		return n
	}
	return runtime.NumCPU()
}

// moduleListens lists a module's listens, those of one address joined.
func (d *Dump) moduleListens(ctx context.Context, module directive) []wanted {
	var list []wanted
	add := func(args []string) {
		for _, w := range parseWanted(ctx, args) {
			i := slices.IndexFunc(list, func(o wanted) bool { return o.endpoint == w.endpoint })
			if i < 0 {
				list = append(list, w)
				continue
			}
			o := &list[i]
			o.reuseport = o.reuseport || w.reuseport
			o.dual = o.dual || w.dual
			o.explicit = o.explicit || w.explicit
			o.foreign = o.foreign || w.foreign
		}
	}
	for _, server := range module.block {
		if server.name != "server" {
			continue
		}
		listens := false
		for _, l := range server.block {
			if l.name == "listen" {
				listens = true
				add(l.args)
			}
		}
		if module.name == "http" && !listens {
			add([]string{strconv.Itoa(int(defaultListen().Addr.Port()))})
		}
	}
	return list
}

// bound leaves out the addresses which nginx does not bind, since a wildcard of
// the same port takes their connections.
func bound(list []wanted) []wanted {
	return slices.DeleteFunc(slices.Clone(list), func(w wanted) bool {
		return w.path == "" && !w.explicit && !w.wildcard() &&
			slices.ContainsFunc(list, func(o wanted) bool {
				return o.wildcard() && o.kind == w.kind && o.addr.Port() == w.addr.Port() &&
					o.addr.Addr().Is4() == w.addr.Addr().Is4()
			})
	})
}

// parseWanted reads the arguments of a `listen`, which may stand for several
// addresses.
func parseWanted(ctx context.Context, args []string) []wanted {
	if len(args) == 0 {
		return nil
	}
	w := wanted{endpoint: endpoint{kind: unix.SOCK_STREAM}}
	for _, p := range args[1:] {
		name, value, _ := strings.Cut(p, "=")
		switch {
		case slices.Contains(explicitParameters, name):
			w.explicit = true
		case !slices.Contains(plainParameters, name):
			w.foreign = true
		}
		switch name {
		case "udp", "quic":
			w.kind = unix.SOCK_DGRAM
		case "reuseport":
			w.reuseport = true
		case "ipv6only":
			w.dual = value == "off"
		}
	}
	if path, ok := strings.CutPrefix(args[0], "unix:"); ok {
		if !filepath.IsAbs(path) || w.kind != unix.SOCK_STREAM {
			return nil
		}
		w.path, w.reuseport = path, false
		return []wanted{w}
	}
	host, ports := splitListen(args[0])
	low, high, ok := portRange(ports)
	if !ok {
		return nil
	}
	var list []wanted
	for _, a := range resolve(ctx, host) {
		for port := low; port <= high; port++ {
			w.addr = netip.AddrPortFrom(a, uint16(port))
			list = append(list, w)
		}
	}
	return list
}

// portRange reads "80" or "8000-8010".
func portRange(s string) (low, high int, ok bool) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	return int(a), int(b), err == nil && err2 == nil && 0 < a && a <= b
}

// resolve returns the addresses that nginx binds for a host.
func resolve(ctx context.Context, host string) []netip.Addr {
	if host == "" || host == "*" {
		return []netip.Addr{netip.IPv4Unspecified()}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil // nginx has its own way to resolve, and its own words
	}
	var list []netip.Addr
	for _, a := range found {
		if a = a.Unmap(); a.Zone() == "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}
