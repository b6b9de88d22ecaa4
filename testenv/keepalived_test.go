package testenv

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// keepalivedConf is a virtual router with 198.51.100.100.
func keepalivedConf(version, priority int, interval string) string {
	return fmt.Sprintf(`
global_defs { vrrp_version %d }
vrrp_instance web {
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %s
	virtual_ipaddress { 198.51.100.100/32 }
}
`, version, priority, interval)
}

// TestKeepalivedFailover is the lab's own proof: two real peers, a client that
// asks and a switch that listens must tell one story.
func TestKeepalivedFailover(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b, client, watcher := lab.Host("a"), lab.Host("b"), lab.Host("client"), lab.Host("watcher")
	la := lan.Attach(a, "198.51.100.1/24")
	lb := lan.Attach(b, "198.51.100.2/24")
	lan.Attach(client, "198.51.100.9/24")
	lw := lan.Attach(watcher, "198.51.100.8/24")
	capture := lan.Capture()
	lab.StartNginx(a, "")
	lab.StartNginx(b, "")
	lab.StartKeepalived(a, keepalivedConf(3, 200, "1"))
	lab.StartKeepalived(b, keepalivedConf(3, 100, "1"))
	a.AwaitHolds("198.51.100.100")
	capture.Await("an advertisement of a", awaitLimit, IsAdvert(51), From(la), WithPriority(200))

	probe := client.ProbeHTTP("http://198.51.100.100/", 5*time.Millisecond)
	arp := lw.ProbeARP("198.51.100.100", 5*time.Millisecond)
	answered := func(by string) func() error {
		return func() error {
			servers := probe.Result().Servers()
			if len(servers) == 0 || servers[len(servers)-1].Server != by {
				return fmt.Errorf("answered so far: %v", servers)
			}
			return nil
		}
	}
	eventually(t, "answers by a", answered("a"))
	eventually(t, "an ARP answer by a", func() error {
		if owners := arp.Result().Owners(); len(owners) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	a.PowerOff()
	b.AwaitHolds("198.51.100.100")
	eventually(t, "answers by b", answered("b"))
	if got, want := client.Neighbor("198.51.100.100").String(), lb.MAC().String(); got != want {
		t.Errorf("the client has the address at %s, want b's %s", got, want)
	}

	result, owners := probe.Stop(), arp.Stop()
	t.Log(result)
	gap := result.Longest()
	if gap.Before != "a" || gap.After != "b" {
		t.Errorf("the longest gap is %v, want one from a to b", gap)
	}
	if result.Failed() == 0 {
		t.Error("no attempt failed, although nobody had the address for a while")
	}
	if got := fmt.Sprint(owners.Owners()); got != "[a/eth0 b/eth0]" {
		t.Errorf("ARP was answered by %s, want first a, then b", got)
	}
	if contested := owners.Contested(); len(contested) > 0 {
		t.Errorf("%d requests had two answers, the first at %v: %v", len(contested), contested[0].At, contested[0].Answered)
	}

	frames := capture.Frames()
	if err := frames.NoTwoSpeakers(51, time.Second); err != nil {
		t.Error(err)
	}
	if err := frames.TTL255(); err != nil {
		t.Error(err)
	}
	if err := frames.AnnouncedWithin(51, time.Second); err != nil {
		t.Error(err)
	}
	for _, f := range frames.Where(IsAdvert(51)) {
		if f.Advert.Version != 3 || f.Advert.Checksum != ChecksumPseudoHeader || f.Advert.Interval != time.Second {
			t.Fatalf("decoded %v", f)
		}
	}
	for _, r := range frames.Reigns(51) {
		t.Logf("%s from %v, announced after %v", r.From, r.First, r.Announced)
	}
}

// Two that cannot hear each other both take the address: the lab must show it
// in every view, or its laws could not bite.
func TestLabShowsTwoActives(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b, watcher := lab.Host("a"), lab.Host("b"), lab.Host("watcher")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(b, "198.51.100.2/24")
	lw := lan.Attach(watcher, "198.51.100.8/24")
	capture := lan.Capture()
	arp := lw.ProbeARP("198.51.100.100", 10*time.Millisecond)
	lan.LoseVRRP(a, b, 100)
	lan.LoseVRRP(b, a, 100)
	lab.StartKeepalived(a, keepalivedConf(2, 200, "1"))
	lab.StartKeepalived(b, keepalivedConf(2, 100, "1"))
	a.AwaitHolds("198.51.100.100")
	b.AwaitHolds("198.51.100.100")
	eventually(t, "two answers to one request", func() error {
		if r := arp.Result(); len(r.Contested()) == 0 {
			return fmt.Errorf("%d requests, answered by %v", len(r), r.Owners())
		}
		return nil
	})
	eventually(t, "the law of one speaker to be broken", func() error {
		if err := capture.Frames().NoTwoSpeakers(51, time.Second); err == nil {
			return fmt.Errorf("it is kept")
		}
		return nil
	})
	lan.Heal()
	b.AwaitGone("198.51.100.100")
}
