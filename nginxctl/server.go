package nginxctl

import "strings"

// A server is one server block of the http module.
type server struct {
	directive
	index   int
	listens []Listen
	names   []string
}

// servers lists the http servers with their listens. An option that one
// server's listen gives to a socket (ssl, proxy_protocol) holds for all.
func (d *Dump) servers() []server {
	var list []server
	for _, http := range d.main {
		if http.name != "http" {
			continue
		}
		for _, block := range http.block {
			if block.name != "server" {
				continue
			}
			s := server{directive: block, index: len(list)}
			for _, l := range block.block {
				switch l.name {
				case "listen":
					if listen, ok := parseListen(l.args); ok {
						s.listens = append(s.listens, listen)
					}
				case "server_name":
					s.names = append(s.names, l.args...)
				}
			}
			if len(s.listens) == 0 {
				s.listens = []Listen{defaultListen()}
			}
			for i := range s.listens {
				s.listens[i].server = s.index
				if on := first(block.block, "ssl"); len(on) > 0 && on[0] == "on" {
					s.listens[i].TLS = true
				}
			}
			list = append(list, s)
		}
	}
	shareOptions(list)
	return list
}

// shareOptions gives every listen what others said of the same socket, and
// makes the first server of a socket its default where none is named so.
func shareOptions(servers []server) {
	type socket struct {
		tls, proxy, hasDefault bool
	}
	sockets := make(map[string]*socket)
	eachListen := func(f func(*Listen, *socket)) {
		for _, s := range servers {
			for i := range s.listens {
				l := &s.listens[i]
				k := sockets[l.key()]
				if k == nil {
					k = new(socket)
					sockets[l.key()] = k
				}
				f(l, k)
			}
		}
	}
	eachListen(func(l *Listen, k *socket) {
		k.tls = k.tls || l.TLS
		k.proxy = k.proxy || l.Proxy
		k.hasDefault = k.hasDefault || l.isDefault
	})
	eachListen(func(l *Listen, k *socket) {
		l.TLS, l.Proxy = k.tls, k.proxy
		if !k.hasDefault {
			l.isDefault, k.hasDefault = true, true
		}
	})
}

// Listens lists the listening sockets of the http servers, in their order.
func (d *Dump) Listens() []Listen {
	var list []Listen
	for _, s := range d.servers() {
		list = append(list, s.listens...)
	}
	return list
}

// host is a Host header which chooses s among the servers of l's socket; false
// if there is none that we can tell.
func (s server) host(l Listen, all []server) (string, bool) {
	for _, name := range s.names {
		h, ok := hostFor(name)
		if ok && (l.isDefault || !claimed(h, l, s.index, all)) {
			return h, true
		}
	}
	if !l.isDefault {
		return "", false
	}
	// Any name that no other server of the socket has.
	for _, h := range []string{"localhost", "ngha.invalid"} {
		if !claimed(h, l, len(all), all) {
			return h, true
		}
	}
	return "", false
}

// hostFor is a host name that matches an exact or wildcard server_name.
func hostFor(name string) (string, bool) {
	switch {
	case name == "" || name == "_" || strings.HasPrefix(name, "~") || strings.Contains(name, "$"):
		return "", false
	case strings.HasPrefix(name, "*."):
		return "ngha" + name[1:], true
	case strings.HasPrefix(name, "."):
		return name[1:], true
	case strings.HasSuffix(name, ".*"):
		return name[:len(name)-1] + "invalid", true
	}
	return name, true
}

// claimed reports whether one of the servers before number end on l's socket
// has exactly this name: nginx goes by the first.
func claimed(host string, l Listen, end int, all []server) bool {
	for _, s := range all {
		if s.index >= end || s.index == l.server {
			continue
		}
		for _, sl := range s.listens {
			if sl.key() != l.key() {
				continue
			}
			for _, name := range s.names {
				if name == host {
					return true
				}
			}
		}
	}
	return false
}
