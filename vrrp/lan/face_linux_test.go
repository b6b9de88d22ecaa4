package lan

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"ngha/testenv"
)

const virtual7 = "00:00:5e:00:01:07"

// lodging is a host whose interface eth0 is to get faces.
type lodging struct {
	*testing.T
	lab      *testenv.Lab
	host     *testenv.Host
	requests *requests
}

func newLodging(t *testing.T) *lodging {
	t.Helper()
	lab, h := solo(t)
	l := &lodging{T: t, lab: lab, host: h}
	must(t, h, func() (err error) {
		l.requests, err = openRequests()
		return err
	})
	t.Cleanup(func() { l.requests.close() })
	return l
}

// parent is eth0, as a run of ngha sees it.
func (l *lodging) parent() (p *parent) {
	l.Helper()
	must(l.T, l.host, func() error {
		tab, err := list()
		if err != nil {
			return err
		}
		eth0, _ := tab.byName("eth0")
		p, err = openParent(eth0, l.requests)
		return err
	})
	return p
}

func (l *lodging) open(p *parent, ipv6 bool, vrid uint8) *face {
	l.Helper()
	f, err := p.open(ipv6, vrid, slog.New(slog.DiscardHandler))
	if err != nil {
		l.Fatal(err)
	}
	return f
}

func (l *lodging) close(all ...closer) {
	l.Helper()
	for _, c := range all {
		if err := c.close(); err != nil {
			l.Error(err)
		}
	}
}

// conf reads one of an interface's IPv4 settings as an administrator would.
func (l *lodging) conf(name, setting string) (value string) {
	l.Helper()
	must(l.T, l.host, func() error {
		b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, setting))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value
}

func (l *lodging) set(name, setting, value string) {
	l.Helper()
	must(l.T, l.host, func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net/ipv4/conf", name, setting), []byte(value), 0)
	})
}

// confs are the settings that concern a face.
func (l *lodging) confs(name string) string {
	l.Helper()
	return fmt.Sprintf("arp_ignore=%s arp_announce=%s rp_filter=%s arp_filter=%s", l.conf(name, "arp_ignore"), l.conf(name, "arp_announce"), l.conf(name, "rp_filter"), l.conf(name, "arp_filter"))
}

// macvlans are the names of those there are, with their MAC addresses, and "up"
// where they are.
func (l *lodging) macvlans() (list []string) {
	l.Helper()
	must(l.T, l.host, func() error {
		all, err := netlink.LinkList()
		for _, m := range all {
			if m.Type() != "macvlan" {
				continue
			}
			s := m.Attrs().HardwareAddr.String()
			if m.Attrs().Flags&1 != 0 {
				s += " up"
			}
			list = append(list, s)
		}
		return err
	})
	return list
}

// awaits waits until the macvlans are these.
func (l *lodging) awaits(what string, want ...string) {
	l.Helper()
	l.lab.Await(what, limit, func() error {
		if got := l.macvlans(); !slices.Equal(got, want) {
			return fmt.Errorf("there are %q, want %q", got, want)
		}
		return nil
	})
}

func (l *lodging) want(what string, got, want any) {
	l.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestFaceHasTheVirtualMACAndIsUpOnlyWhenAsked(t *testing.T) {
	l := newLodging(t)
	p := l.parent()
	f := l.open(p, false, 7)
	l.want("at first", l.macvlans(), []string{virtual7})
	for range 2 { // idempotent
		if err := f.show(); err != nil {
			t.Fatal(err)
		}
		l.want("up", l.macvlans(), []string{virtual7 + " up"})
	}
	must(t, l.host, func() error {
		addrs, err := netlink.AddrList(f.link, netlink.FAMILY_ALL)
		l.want("addresses", len(addrs), 0)
		return err
	})
	f.hide()
	l.awaits("down", virtual7)
	l.close(f)
	l.want("closed", len(l.macvlans()), 0)

	f = l.open(p, true, 255)
	l.want("IPv6", l.macvlans(), []string{"00:00:5e:00:02:ff"})
	l.close(f, p)
}

func TestFaceSetsAndRestoresWhatItsParentNeeds(t *testing.T) {
	const before, made = "arp_ignore=0 arp_announce=0 rp_filter=1 arp_filter=1", "arp_ignore=1 arp_announce=2 rp_filter=2 arp_filter=0"
	l := newLodging(t)
	l.set("eth0", "rp_filter", "1")
	l.set("eth0", "arp_filter", "1")
	p := l.parent()
	a, b, six := l.open(p, false, 7), l.open(p, false, 8), l.open(p, true, 7)
	for _, name := range []string{"eth0", a.link.Attrs().Name, b.link.Attrs().Name} {
		l.want(name, l.confs(name), made)
	}
	l.close(a, b)
	l.want("with one that is left", l.confs("eth0"), made)
	l.close(six)
	l.want("without faces", l.confs("eth0"), before)

	l.set("eth0", "rp_filter", "2") // by the administrator
	a = l.open(p, false, 7)
	l.close(a)
	l.want("after somebody changed one without faces", l.confs("eth0"), "arp_ignore=0 arp_announce=0 rp_filter=2 arp_filter=1")
	a = l.open(p, false, 7)
	l.set("eth0", "rp_filter", "0") // by the administrator
	l.close(a, p)
	l.want("after somebody changed one with a face", l.confs("eth0"), "arp_ignore=0 arp_announce=0 rp_filter=0 arp_filter=1")
}

// Whoever is killed in between leaves a face by which the next run can restore
// them.
func TestSettingsAreRestoredBeforeTheLastFaceGoes(t *testing.T) {
	l := newLodging(t)
	before := l.confs("eth0")
	p := l.parent()
	for _, last := range []bool{false, true} { // IPv6's and IPv4's
		faces := []*face{l.open(p, !last, 7), l.open(p, last, 7)}
		made := l.confs("eth0")
		l.close(faces[0])
		l.want("settings with one face left", l.confs("eth0"), made)
		if err := p.spare(faces[1].index); err != nil {
			t.Fatal(err)
		}
		l.want("settings before the last one goes", l.confs("eth0"), before)
		l.want("faces", len(l.macvlans()), 1)
		l.close(faces[1])
	}
	l.close(p)
}

func TestFaceHeedsTheSettingsOfAllInterfaces(t *testing.T) {
	l := newLodging(t)
	l.set("all", "rp_filter", "1") // the stricter of the two holds
	p := l.parent()
	f := l.open(p, false, 7)
	l.want("eth0", l.conf("eth0", "rp_filter"), "2")
	l.close(f, p)

	l.set("all", "arp_filter", "1")
	p = l.parent()
	_, err := p.open(false, 7, slog.New(slog.DiscardHandler))
	if err == nil || !naming(err, "eth0", virtual7, "arp_filter", "set it to 0") {
		t.Errorf("error %v, want one that names the setting and the cure", err)
	}
	l.want("left behind", len(l.macvlans()), 0)
	l.close(p)
}

func TestFaceOfAKilledRunIsReplacedAndItsParentRestored(t *testing.T) {
	l := newLodging(t)
	killed := l.open(l.parent(), false, 7)
	if err := killed.show(); err != nil {
		t.Fatal(err)
	}
	p := l.parent()
	f := l.open(p, false, 7)
	l.want("replaced", l.macvlans(), []string{virtual7})
	l.close(f, p)
	l.want("at the end", len(l.macvlans()), 0)
	l.want("eth0", l.confs("eth0"), "arp_ignore=0 arp_announce=0 rp_filter=0 arp_filter=0")
	l.close(killed) // gone already
}

func TestFaceOfAnotherRunKeepsTheSettings(t *testing.T) {
	l := newLodging(t)
	p, other := l.parent(), l.parent()
	f, theirs := l.open(p, false, 7), l.open(other, false, 8)
	l.close(f, p)
	l.want("with one left", l.conf("eth0", "arp_ignore"), "1")
	l.close(theirs, other)
	l.want("at the end", l.conf("eth0", "arp_ignore"), "0")
}

// Each of two runs finds the other's last face when it ends, and deletes its own.
func TestRunsThatEndTogetherRestoreTheSettings(t *testing.T) {
	l := newLodging(t)
	before := l.confs("eth0")
	p, other := l.parent(), l.parent()
	f, theirs := l.open(p, false, 7), l.open(other, false, 8)
	for p, f := range map[*parent]*face{p: f, other: theirs} {
		if err := p.spare(f.index); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []*face{f, theirs} {
		if err := <-f.parent.sweeper.remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l.close(p, other)
	l.want("at the end", l.confs("eth0"), before)
}

func TestFaceLeavesOthersInterfacesAlone(t *testing.T) {
	l := newLodging(t)
	p := l.parent()
	name := faceName(virtualMAC(false, 7), p.index)
	must(t, l.host, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = name, p.index
		return netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE})
	})
	if _, err := p.open(false, 7, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrExist) {
		t.Errorf("error %v, want that %s exists", err, name)
	}
	l.want("macvlans", len(l.macvlans()), 1)
	l.close(p)
}

func TestFaceOutlivesItsParentWithoutAnError(t *testing.T) {
	l := newLodging(t)
	p := l.parent()
	f := l.open(p, false, 7)
	must(t, l.host, func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkDel(eth0)
	})
	f.hide()
	l.close(f, p)
}

func TestNameOfAFaceFits(t *testing.T) {
	if name := faceName(virtualMAC(true, 255), 9999999); len(name) > 15 {
		t.Errorf("%q has %d characters, want 15 at most", name, len(name))
	}
}

// TestFaceIsClearedWhereNoneIsWantedAnyMore: the settings were changed while ngha
// did not run.
func TestFaceIsClearedWhereNoneIsWantedAnyMore(t *testing.T) {
	l := newLodging(t)
	if err := l.open(l.parent(), false, 7).show(); err != nil { // of a killed run
		t.Fatal(err)
	}
	p := watch(t, l.host, named("eth0", vip)).port()
	l.want("macvlans", len(l.macvlans()), 0)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	l.want("eth0", l.confs("eth0"), "arp_ignore=0 arp_announce=0 rp_filter=0 arp_filter=0")
}
