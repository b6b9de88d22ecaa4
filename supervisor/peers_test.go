package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPeerNamesFollowTheirAddressesAndKeepTheLastOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := func(s string) netip.Addr { return netip.MustParseAddr(s) }
		var mu sync.Mutex // guards answers
		answers := map[string][]netip.Addr{"198.51.100.9": {a("198.51.100.9")}}
		var told [][]netip.Addr
		p := newPeerNames([]string{"nodes", "198.51.100.9"}, "ip4", func(peers []netip.Addr) { told = append(told, peers) }, slog.New(slog.DiscardHandler))
		p.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			if addrs, ok := answers[name]; ok {
				return addrs, nil
			}
			return nil, errors.New("no such host")
		}
		p.own = func() ([]netip.Addr, error) { return []netip.Addr{a("198.51.100.1")}, nil }
		ctx, cancel := context.WithCancel(t.Context())
		go p.run(ctx)
		synctest.Wait()
		if len(p.Warnings()) != 1 {
			t.Errorf("warnings while a name is not known: %q, want one", p.Warnings())
		}

		set := func(addrs ...netip.Addr) {
			mu.Lock()
			defer mu.Unlock()
			answers["nodes"] = addrs
			if addrs == nil {
				delete(answers, "nodes")
			}
		}
		set(a("198.51.100.3"), a("198.51.100.1"), a("198.51.100.2"))
		p.again()
		time.Sleep(resolvePause) // fake time
		synctest.Wait()
		if len(p.Warnings()) != 0 {
			t.Errorf("warnings once it is known: %q, want none", p.Warnings())
		}

		set()
		time.Sleep(3 * resolveEvery) // fake time
		set(a("198.51.100.4"))
		time.Sleep(resolveEvery)
		synctest.Wait()
		cancel()

		want := [][]netip.Addr{
			{a("198.51.100.9")},
			{a("198.51.100.2"), a("198.51.100.3"), a("198.51.100.9")},
			{a("198.51.100.4"), a("198.51.100.9")},
		}
		if diff := cmp.Diff(want, told, cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); diff != "" {
			t.Errorf("peers told (-want +got):\n%s", diff)
		}
	})
}

// Anybody can make us look, by a packet from nowhere, but not look all the time.
func TestStrangersDoNotMakeAFloodOfLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeerNames([]string{"nodes"}, "ip4", func([]netip.Addr) {}, slog.New(slog.DiscardHandler))
		lookups := 0
		p.lookup = func(context.Context, string) ([]netip.Addr, error) { lookups++; return nil, nil }
		p.own = func() ([]netip.Addr, error) { return nil, nil }
		ctx, cancel := context.WithCancel(t.Context())
		go p.run(ctx)
		for range 10000 {
			p.again()
			time.Sleep(100 * time.Microsecond)
		}
		cancel()
		synctest.Wait()
		if lookups < 5 || lookups > 15 {
			t.Errorf("%d look-ups in a second of 10000 strangers, want about 10", lookups)
		}
	})
}
