package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	resolveEvery = time.Second
	resolveLimit = time.Second
	// resolvePause is the least time from one look-up to the next, however many
	// strangers knock.
	resolvePause = 100 * time.Millisecond
)

// peerNames turns peers as configured, addresses or host names, into
// addresses of the election's family. A name's addresses all count, but for this
// node's own: a name may stand for every node of the service. What a name was known by last is kept
// while it does not resolve.
type peerNames struct {
	names   []string
	lookup  func(ctx context.Context, name string) ([]netip.Addr, error)
	own     func() ([]netip.Addr, error)
	changed func([]netip.Addr) // must not block
	log     *slog.Logger

	asked    chan struct{} // buffered for its one message
	warnings atomic.Pointer[[]string]
}

// lookup finds the addresses, of family "ip4" or "ip6", of a host name.
type lookup func(ctx context.Context, family, name string) ([]netip.Addr, error)

func newPeerNames(names []string, family string, changed func([]netip.Addr), log *slog.Logger) *peerNames {
	return &peerNames{
		names: names,
		lookup: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return lookupAddr(ctx, net.DefaultResolver.LookupNetIP, family, name)
		},
		own:     ownAddrs,
		changed: changed,
		log:     log,
		asked:   make(chan struct{}, 1),
	}
}

// again asks for a look-up at once. It never blocks.
func (p *peerNames) again() {
	select {
	case p.asked <- struct{}{}:
	default:
	}
}

// Warnings names what does not resolve yet. Any goroutine may call it.
func (p *peerNames) Warnings() []string {
	if w := p.warnings.Load(); w != nil {
		return *w
	}
	return nil
}

// run resolves the names until ctx ends: every second, since nothing tells
// when a name's address changes, or once when all of them are addresses.
func (p *peerNames) run(ctx context.Context) {
	known := make(map[string][]netip.Addr, len(p.names))
	var told []netip.Addr
	first := true
	ticker := time.NewTicker(resolveEvery)
	defer ticker.Stop()
	for {
		earliest := time.After(resolvePause)
		peers := p.resolve(ctx, known)
		if ctx.Err() != nil {
			return
		}
		if first || !slices.Equal(peers, told) {
			p.changed(peers)
			p.log.Info("peers known", "peers", peers)
			for _, w := range p.Warnings() {
				p.log.Warn("not all peers known", "err", w)
			}
			told, first = peers, false
		}
		if p.constant() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-p.asked:
			select {
			case <-ctx.Done():
				return
			case <-earliest:
			}
		case <-ticker.C:
		}
	}
}

// constant reports whether no name has to be looked up.
func (p *peerNames) constant() bool {
	return !slices.ContainsFunc(p.names, func(name string) bool {
		_, err := netip.ParseAddr(name)
		return err != nil
	})
}

// resolve brings known up to date and returns all of its addresses but our
// own, sorted.
func (p *peerNames) resolve(ctx context.Context, known map[string][]netip.Addr) []netip.Addr {
	limited, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	type found struct {
		addrs []netip.Addr
		err   error
	}
	results := make([]found, len(p.names))
	var looking sync.WaitGroup
	for i, name := range p.names {
		looking.Go(func() { results[i].addrs, results[i].err = p.lookup(limited, name) })
	}
	looking.Wait()
	var warnings []string
	for i, name := range p.names {
		switch r := results[i]; {
		case r.err == nil:
			known[name] = r.addrs
		case len(known[name]) == 0:
			warnings = append(warnings, fmt.Sprintf("peer %s is not known: %v: start that node, or correct its name in peers (NGHA_PEER)", name, r.err))
		}
	}
	own, err := p.own()
	if err != nil {
		warnings = append(warnings, fmt.Sprintf("own addresses not listed: %v", err))
	}
	p.warnings.Store(&warnings)

	var peers []netip.Addr
	for _, addrs := range known {
		for _, a := range addrs {
			if !slices.Contains(own, a) {
				peers = append(peers, a)
			}
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	return slices.Compact(peers)
}

// lookupAddr returns the addresses, of family "ip4" or "ip6", of a host name, or
// of an address itself. A name's link-local ones do not count: this node speaks
// to those whom names stand for from an address of a wider scope, and so do they.
func lookupAddr(ctx context.Context, lookup lookup, family, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := lookup(ctx, family, name)
	if err != nil {
		return nil, otherFamily(ctx, lookup, family, name, err)
	}
	var wide []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() || !a.IsLinkLocalUnicast() {
			wide = append(wide, a)
		}
	}
	if len(wide) == 0 {
		return nil, fmt.Errorf("it has only link-local addresses: %v: give it another one, or list all peers by those", addrs)
	}
	return wide, nil
}

// otherFamily is err, or that the name has addresses of the other family alone.
func otherFamily(ctx context.Context, lookup lookup, family, name string, err error) error {
	words := map[string]string{"ip4": "IPv4", "ip6": "IPv6"}
	other := "ip4"
	if family == other {
		other = "ip6"
	}
	if addrs, oerr := lookup(ctx, other, name); oerr == nil && len(addrs) > 0 {
		return fmt.Errorf("it has only %s addresses: %v, and the nodes speak to each other over %s", words[other], addrs, words[family])
	}
	return err
}

// ownAddrs returns the addresses of this host's interfaces.
func ownAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Addr
	for _, a := range all {
		address, _, _ := strings.Cut(a.String(), "/")
		if ip, err := netip.ParseAddr(address); err == nil {
			own = append(own, ip.Unmap())
		}
	}
	return own, nil
}
