package system_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// secretKey is a line of a file with keys.
func secretKey(id int) string {
	return fmt.Sprintf("%d hex:%s\n", id, strings.Repeat(fmt.Sprintf("%02x", id), 32))
}

// writeKeys writes a file with keys as an operator should: whole, and for nobody
// else to read.
func writeKeys(t *testing.T, name string, ids ...int) {
	t.Helper()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(secretKey(id))
	}
	if err := os.WriteFile(name+".new", []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func replaceInFile(t *testing.T, name, old, with string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.ReplaceAll(string(text), old, with)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newSignedSite is a site of two nodes that share key 1.
func newSignedSite(t *testing.T, more string) (s *site, files [2]string) {
	t.Helper()
	s = newLAN(t, 0)
	for i := range files {
		files[i] = filepath.Join(s.lab.Dir(), fmt.Sprintf("keys%d", i))
		writeKeys(t, files[i], 1)
		m := s.start(s.host(), testenv.Node{Router: fmt.Sprintf("auth: {keys_file: %q%s}", files[i], more)})
		m.AwaitHealth("healthy")
		if i == 0 {
			s.settlesOn(m)
		}
	}
	s.b.AwaitState("backup")
	s.watch(vip)
	return s, files
}

// has waits until a node has these keys.
func (m *member) has(ids ...int) {
	m.AwaitStatus(fmt.Sprintf("in possession of keys %v", ids), func(status testenv.Status) error {
		if got := status.VirtualRouters[0].Keys; !slices.Equal(got, ids) {
			return fmt.Errorf("it has %v", got)
		}
		return nil
	})
}

// heardAll wants a node to have refused nothing.
func (m *member) heardAll(t *testing.T) {
	t.Helper()
	status, err := m.Status()
	if err != nil {
		t.Fatal(err)
	}
	if v := status.VirtualRouters[0]; len(v.Counters.Discarded) > 0 || len(v.Alarms) > 0 {
		t.Errorf("%s discarded %v and has alarms %+v: want none", m.name, v.Counters.Discarded, v.Alarms)
	}
}

// Both nodes come to a new key one after the other, by three changes of their
// files, and nothing moves.
func TestKeysChangeWithoutATransition(t *testing.T) {
	t.Parallel()
	s, files := newSignedSite(t, "")
	check := s.neverMoves()
	for _, ids := range [][]int{{1, 2}, {2, 1}, {2}} {
		for _, i := range []int{1, 0} {
			writeKeys(t, files[i], ids...)
			s.nodes[i].has(ids...)
			s.advertises(s.a, 4)
		}
	}
	signed := s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.From(s.a.link))
	for _, f := range []testenv.Frame{signed[0], signed[len(signed)-1]} {
		if len(f.Advert.Trailer) != 28 || f.Advert.Checksum == testenv.ChecksumWrong {
			t.Fatalf("a advertised %v with a trailer of %d bytes, want 28", f, len(f.Advert.Trailer))
		}
	}
	if first, last := signed[0].Advert.Trailer[1], signed[len(signed)-1].Advert.Trailer[1]; first != 1 || last != 2 {
		t.Errorf("a began to sign with key %d and ended with %d, want 1 and 2", first, last)
	}
	check()
	s.a.heardAll(t)
	s.b.heardAll(t)
	s.settlesOn(s.a)
}

// What is on disk cannot be used: the keys stay, and a warning says why.
func TestKeysThatCannotBeUsedLeaveTheOldOnes(t *testing.T) {
	t.Parallel()
	s, files := newSignedSite(t, "")
	check := s.neverMoves()
	for _, spoil := range []func() error{
		func() error { return os.Chmod(files[1], 0o644) },
		func() error { return os.Remove(files[1]) },
		func() error { return os.WriteFile(files[1], []byte("2 short\n"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		s.b.AwaitStatus("warning of its keys", func(status testenv.Status) error {
			if len(status.Warnings) == 0 {
				return fmt.Errorf("it does not")
			}
			return nil
		})
		s.b.has(1)
		writeKeys(t, files[1], 1)
		s.b.AwaitStatus("content with its keys", func(status testenv.Status) error {
			if len(status.Warnings) > 0 {
				return fmt.Errorf("it warns of %q", status.Warnings)
			}
			return nil
		})
	}
	s.remains(s.a, 5)
	check()
	s.a.heardAll(t)
	s.b.heardAll(t)
}

// Keys come to nodes that run without, in three sweeps of planned restarts.
func TestKeysAreIntroducedInThreeSweeps(t *testing.T) {
	t.Parallel()
	s := newLAN(t, 0)
	file := filepath.Join(s.lab.Dir(), "keys")
	writeKeys(t, file, 1)
	s.start(s.host(), testenv.Node{})
	s.settlesOn(s.a)
	s.start(s.host(), testenv.Node{})
	s.b.AwaitHealth("healthy")
	s.b.AwaitState("backup")
	for _, mode := range []string{"receive-only", "permissive", "enforce"} {
		for _, m := range []*member{s.b, s.a} {
			s.reconfigure(m, fmt.Sprintf("auth: {keys_file: %q, mode: %s}", file, mode))
		}
		s.a.heardAll(t)
		s.b.heardAll(t)
	}
	s.capture.Await("a signed advertisement", limit, testenv.IsAdvert(vrid), testenv.From(s.a.link),
		func(f testenv.Frame) bool { return len(f.Advert.Trailer) == 28 })
}

// reconfigure ends a node in an orderly way and starts it anew with other lines
// for its virtual router. When it returns a serves, and both nodes are well.
func (s *site) reconfigure(m *member, router string) {
	s.Helper()
	m.Process().Signal(unix.SIGTERM)
	m.Process().AwaitExit()
	text, err := os.ReadFile(m.NghaConf())
	if err != nil {
		s.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "    auth:")
	if err := os.WriteFile(m.NghaConf(), []byte(before+"    "+router+"\n"), 0o644); err != nil {
		s.Fatal(err)
	}
	m.Start()
	m.AwaitHealth("healthy")
	s.settlesOn(s.a)
	s.b.AwaitState("backup")
}
