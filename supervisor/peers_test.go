package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
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

// Of what a name has, the addresses count that the election can use. Where there is
// none, what there is instead is named.
func TestPeerNameCountsInTheElectionsFamily(t *testing.T) {
	for _, row := range []struct {
		has        []string
		ip4, ip6   string
		why4, why6 string // in the error
	}{
		{has: []string{"198.51.100.2", "2001:db8::2", "fe80::2"}, ip4: "[198.51.100.2]", ip6: "[2001:db8::2]"},
		{has: []string{"::ffff:198.51.100.2", "2001:db8::2"}, ip4: "[198.51.100.2]", ip6: "[2001:db8::2]"},
		{has: []string{"169.254.0.2"}, ip4: "[169.254.0.2]", why6: "it has only IPv4 addresses: [169.254.0.2]"},
		{has: []string{"2001:db8::2"}, why4: "it has only IPv6 addresses: [2001:db8::2]", ip6: "[2001:db8::2]"},
		{has: []string{"198.51.100.2", "fe80::2%eth0"}, ip4: "[198.51.100.2]", why6: "it has only link-local addresses: [fe80::2%eth0]"},
		{why4: "no such host", why6: "no such host"},
	} {
		lookup := func(_ context.Context, family, _ string) ([]netip.Addr, error) {
			var found []netip.Addr
			for _, s := range row.has {
				if a := netip.MustParseAddr(s); a.Unmap().Is4() == (family == "ip4") {
					found = append(found, a)
				}
			}
			if len(found) == 0 {
				return nil, errors.New("no such host")
			}
			return found, nil
		}
		for family, want := range map[string][2]string{"ip4": {row.ip4, row.why4}, "ip6": {row.ip6, row.why6}} {
			got, err := lookupAddr(t.Context(), lookup, family, "nodes")
			switch {
			case want[1] == "" && (err != nil || fmt.Sprint(got) != want[0]):
				t.Errorf("%s of %v: %v, %v, want %s", family, row.has, got, err, want[0])
			case want[1] != "" && (err == nil || !strings.Contains(err.Error(), want[1])):
				t.Errorf("%s of %v: %v, %v, want %q", family, row.has, got, err, want[1])
			}
		}
	}
}
