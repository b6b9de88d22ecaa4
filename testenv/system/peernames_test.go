package system_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ngha/testenv"
)

// hostsFile is what a node finds host names in.
type hostsFile struct {
	s    *site
	path string
}

// newHostsFile gives m one of its own, without a name.
func newHostsFile(s *site, m *member) *hostsFile {
	s.Helper()
	f := &hostsFile{s, filepath.Join(s.lab.Dir(), m.name+".hosts")}
	f.write()
	if out, err := m.Run("mount", "--bind", f.path, "/etc/hosts"); err != nil {
		s.Fatal(err, out)
	}
	return f
}

// write has the file say nothing but this.
func (f *hostsFile) write(lines ...string) {
	f.s.Helper()
	if err := os.WriteFile(f.path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		f.s.Fatal(err)
	}
}

// warned waits until m warns of its peer's name in such words; none: does not.
func (s *site) warned(m *member, words ...string) {
	s.Helper()
	m.AwaitStatus(fmt.Sprintf("warned of %q", words), func(status testenv.Status) error {
		about := slices.DeleteFunc(status.Warnings, func(w string) bool { return !strings.Contains(w, "peer node-") })
		for _, w := range words {
			if len(about) != 1 || !strings.Contains(about[0], w) {
				return fmt.Errorf("warnings: %q", status.Warnings)
			}
		}
		if len(words) == 0 && len(about) > 0 {
			return fmt.Errorf("warnings: %q", about)
		}
		return nil
	})
}

// Peers are host names, in the file and in the environment. What counts is what
// they have of IPv6, by which the nodes speak to each other.
func TestPeerNamesOverIPv6(t *testing.T) {
	t.Parallel()
	const oldB, newB = "2001:db8::2", "2001:db8::22"
	s := newLAN(t, 0)
	s.vips = []string{vip6, vip}
	a := s.start(s.host(), testenv.Node{Peers: []string{"node-b"}})
	names := newHostsFile(s, a)
	s.settlesOn(a)
	s.warned(a, "node-b is not known")
	names.write("198.51.100.2 node-b")
	s.warned(a, "node-b is not known", "only IPv4 addresses", "198.51.100.2", "IPv6")
	names.write("fe80::2 node-b")
	s.warned(a, "node-b is not known", "only link-local addresses", "fe80::2")
	names.write("198.51.100.2 node-b", oldB+" node-b", "fe80::2 node-b")
	s.warned(a)

	b := s.start(s.host(), testenv.Node{Env: []string{"NGHA_PEER=node-a"}})
	newHostsFile(s, b).write("198.51.100.1 node-a", "2001:db8::1 node-a")
	b.AwaitHealth("healthy")
	follows := func() {
		t.Helper()
		b.AwaitStatus("the Backup of a", func(status testenv.Status) error {
			v := status.VirtualRouters[0]
			if v.State != "backup" || v.Active == nil || v.Active.Address.String() != "2001:db8::1" {
				return fmt.Errorf("it is %s and knows the Active %v", v.State, v.Active)
			}
			return nil
		})
	}
	follows()
	s.watch(s.vips...)
	check := s.neverMoves()

	// Its address changes, as a host's does: there are two for a while.
	address := func(verb, address string) {
		t.Helper()
		if out, err := b.Run("ip", "address", verb, address+"/64", "dev", "eth0"); err != nil {
			t.Fatal(err, out)
		}
	}
	address("add", newB)
	names.write(oldB+" node-b", newB+" node-b")
	to := func(address string) testenv.Match {
		return func(f testenv.Frame) bool { return f.Advert != nil && f.IP.Dst.String() == address }
	}
	s.capture.Await("a to speak to b's new address", limit, testenv.From(a.link), to(newB))
	address("del", oldB)
	names.write(newB + " node-b")
	s.advertises(a, 4)
	follows()
	check()
	for _, f := range s.capture.Frames().Where(testenv.IsAdvert(vrid)) {
		if f.IP.Src.Is4() || f.IP.Dst.IsMulticast() || f.IP.Dst.IsLinkLocalUnicast() {
			t.Fatalf("an advertisement went another way: %v", f)
		}
	}
	s.owners.during("a hands over", s.soon(), func() {
		a.Process().Signal(15)
		s.settlesOn(b)
	})
}
