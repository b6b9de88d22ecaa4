package nginxctl

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Status finds the stub_status location to ask: over a unix socket if one
// leads there, else over a loopback address, else over the loopback address of
// a wildcard listen. Addresses of the network are left out: they come and go
// with the virtual ones. A *NoStatusError shows what to add, and what is in the
// way of the locations that were found.
func (d *Dump) Status() (Probe, error) {
	servers := d.servers()
	f := finder{servers: servers}
	for _, s := range servers {
		rules := accessRules(d.httpBlock(), nil)
		f.walk(s, s.directive, "/", access{rules: accessRules(s.block, rules), auth: authOn(s.block, false)})
	}
	if len(f.found) == 0 {
		return Probe{}, &NoStatusError{Unusable: f.unusable}
	}
	slices.SortStableFunc(f.found, func(a, b candidate) int { return a.rank - b.rank })
	return f.found[0].probe, nil
}

func (d *Dump) httpBlock() []directive {
	for _, l := range d.main {
		if l.name == "http" {
			return l.block
		}
	}
	return nil
}

type candidate struct {
	probe Probe
	rank  int // smaller is better
}

const (
	rankUnix = iota
	rankLoopback
	rankWildcard
)

type finder struct {
	servers  []server
	found    []candidate
	unusable []string
}

// access is who may ask, as far as it is inherited by nested locations.
type access struct {
	rules []directive // allow and deny
	auth  bool
}

// walk looks for stub_status in a block and the locations nested in it. uri is
// one that leads to the block, or "" if we know none.
func (f *finder) walk(s server, block directive, uri string, a access) {
	for _, l := range block.block {
		switch l.name {
		case "stub_status":
			f.judge(s, block, l, uri, a)
		case "location":
			inner := access{rules: accessRules(l.block, a.rules), auth: authOn(l.block, a.auth)}
			f.walk(s, l, locationURI(l.args), inner)
		}
	}
}

// judge adds the ways to one stub_status, or says why there is none.
func (f *finder) judge(s server, block, l directive, uri string, a access) {
	refuse := func(why string) {
		f.unusable = append(f.unusable, fmt.Sprintf("%s:%d: stub_status: %s", l.file, l.line, why))
	}
	switch {
	case uri == "":
		refuse("no URI known that leads to this location; make it `location = /stub_status`")
		return
	case first(s.block, "return") != nil || first(block.block, "return") != nil:
		refuse("a `return` comes first")
		return
	case has(block.block, "internal"):
		refuse("the location is internal")
		return
	case a.auth:
		refuse("it asks for a password; add `auth_basic off;`")
		return
	}
	var reasons []string
	for _, listen := range s.listens {
		c, why := f.way(s, listen, uri, a)
		if why != "" {
			reasons = append(reasons, why)
			continue
		}
		f.found = append(f.found, c)
		reasons = nil
		if c.rank == rankUnix {
			break
		}
	}
	if len(reasons) == len(s.listens) {
		refuse(strings.Join(reasons, "; "))
	}
}

// way is how to ask through one listen, or why that does not do.
func (f *finder) way(s server, l Listen, uri string, a access) (candidate, string) {
	at := l.loopback()
	switch {
	case l.TLS:
		return candidate{}, "listen " + l.key() + " wants TLS"
	case l.QUIC:
		return candidate{}, "listen " + l.key() + " wants QUIC"
	case l.Proxy:
		return candidate{}, "listen " + l.key() + " wants the PROXY protocol"
	case l.Unix == "" && !at.IsValid():
		return candidate{}, "listen " + l.key() + " is neither loopback nor a wildcard"
	case l.Unix == "" && l.Addr.Addr().IsUnspecified() && f.taken(at):
		return candidate{}, "another server listens on " + at.String()
	case !a.allows(l.Unix != "", at.Addr()):
		return candidate{}, "`deny` shuts us out; add `allow 127.0.0.1;` or `allow unix:;`"
	}
	host, ok := s.host(l, f.servers)
	if !ok {
		return candidate{}, "no Host header known that leads to this server; give it a server_name"
	}
	switch {
	case l.Unix != "":
		return candidate{Probe{"http://unix:" + l.Unix + ":" + uri, host}, rankUnix}, ""
	case l.Addr.Addr().IsUnspecified():
		return candidate{Probe{"http://" + at.String() + uri, host}, rankWildcard}, ""
	}
	return candidate{Probe{"http://" + at.String() + uri, host}, rankLoopback}, ""
}

// taken reports whether some server listens on exactly this address, and so
// gets what a wildcard of the same port would.
func (f *finder) taken(at netip.AddrPort) bool {
	for _, s := range f.servers {
		for _, l := range s.listens {
			if l.Unix == "" && l.Addr == at {
				return true
			}
		}
	}
	return false
}

// locationURI is a URI that a location takes; "" if we know none.
func locationURI(args []string) string {
	switch {
	case len(args) == 1 && strings.HasPrefix(args[0], "/"):
		return args[0]
	case len(args) == 2 && (args[0] == "=" || args[0] == "^~") && strings.HasPrefix(args[1], "/"):
		return args[1]
	case len(args) == 2 && (args[0] == "~" || args[0] == "~*"):
		return literal(args[1])
	}
	return ""
}

// anchored is a regular expression for one fixed string, such as ^/nginx_status$.
var anchored = regexp.MustCompile(`^\^?(/(?:[\w/-]|\\[./-])*)\$?$`)

func literal(expression string) string {
	m := anchored.FindStringSubmatch(expression)
	if m == nil {
		return ""
	}
	return strings.ReplaceAll(m[1], `\`, "")
}

// accessRules are a block's allow and deny directives, or those it inherits.
func accessRules(block []directive, inherited []directive) []directive {
	var rules []directive
	for _, l := range block {
		if (l.name == "allow" || l.name == "deny") && len(l.args) == 1 {
			rules = append(rules, l)
		}
	}
	if rules == nil {
		return inherited
	}
	return rules
}

// allows goes through the rules as nginx does: the first that fits decides.
func (a access) allows(unix bool, from netip.Addr) bool {
	for _, r := range a.rules {
		if r.args[0] == "all" || unix && r.args[0] == "unix:" || !unix && covers(r.args[0], from) {
			return r.name == "allow"
		}
	}
	return true
}

func covers(network string, a netip.Addr) bool {
	if p, err := netip.ParsePrefix(network); err == nil {
		return p.Contains(a)
	}
	one, err := netip.ParseAddr(network)
	return err == nil && one == a
}

// authOn reports whether a block wants a password.
func authOn(block []directive, inherited bool) bool {
	if args := first(block, "auth_basic"); len(args) > 0 {
		return args[0] != "off"
	}
	return inherited
}

func has(block []directive, name string) bool {
	return slices.ContainsFunc(block, func(d directive) bool { return d.name == name })
}
