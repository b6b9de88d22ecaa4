package nginxctl

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// site is a folder of configuration files. Its methods end the test on failure.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T) site {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return site{t, dir}
}

func (s site) path(name string) string { return filepath.Join(s.dir, name) }

func (s site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s site) write(name, text string) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(text), 0o644))
}

// replace writes beside the file and renames over it, as sed -i, vim, rsync and
// git do.
func (s site) replace(name, text string) {
	s.t.Helper()
	s.write(name+".new~", text)
	s.must(os.Rename(s.path(name+".new~"), s.path(name)))
}

// link makes a symbolic link, over an existing one at once.
func (s site) link(target, name string) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.Symlink(target, s.path(name)+".new~"))
	s.must(os.Rename(s.path(name)+".new~", s.path(name)))
}

func (s site) remove(name string) { s.t.Helper(); s.must(os.RemoveAll(s.path(name))) }

func (s site) rename(from, to string) {
	s.t.Helper()
	s.must(os.Rename(s.path(from), s.path(to)))
}

// set is the site's files by nginx.conf.
func (s site) set() FileSet {
	s.t.Helper()
	w, err := newSetWalk(s.path("nginx.conf"), s.dir)
	s.must(err)
	set, err := w.follow()
	s.must(err)
	return set
}

func (s site) hash(set FileSet) Snapshot {
	s.t.Helper()
	held, err := set.Hash(testContext(s.t))
	s.must(err)
	return held
}

// byHand is a watchRun without Run: the test awaits events and lets them settle.
func (s site) byHand() *watchRun {
	r := newWatchRun(NewWatcher(nil))
	s.t.Cleanup(r.close)
	set := s.set()
	r.load(load{set, s.hash(set)})
	r.settled(testContext(s.t))
	return r
}

// awaitEvent waits for an event that may be a change, and returns its name.
func awaitEvent(t *testing.T, r *watchRun) string {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-r.points.events():
			if r.points.concern(e.Name) {
				return filepath.Clean(e.Name)
			}
		case err := <-r.points.errors():
			t.Fatal(err)
		case <-limit:
			t.Fatal("no event came")
		}
	}
}

const includingConf = "events {}\nhttp { include conf.d/*.conf; server { ssl_certificate live/cert.pem; } }\n"

func TestEveryWayToChangeAFileIsSeenTwice(t *testing.T) {
	two := func(edit func(s site, text string)) func(site) []func() {
		return func(s site) []func() {
			return []func(){func() { edit(s, "# one") }, func() { edit(s, "# two") }}
		}
	}
	for _, c := range []struct {
		name  string
		setup func(s site)
		edits func(s site) []func()
	}{
		{"in place", nil, two(func(s site, text string) { s.write("conf.d/a.conf", text) })},
		{"main file in place", nil, two(func(s site, text string) { s.write("nginx.conf", includingConf+text) })},
		{"rename over it", nil, two(func(s site, text string) { s.replace("conf.d/a.conf", text) })},
		{"removed and written anew", nil, two(func(s site, text string) {
			s.remove("conf.d/a.conf")
			s.write("conf.d/a.conf", text)
		})},
		{"checkout of many files", nil, two(func(s site, text string) {
			for i := range 41 {
				s.remove(fmt.Sprintf("conf.d/%d.conf", i))
				s.write(fmt.Sprintf("conf.d/%d.conf", i), text)
			}
		})},
		{"ConfigMap", func(s site) {
			s.remove("conf.d")
			s.write("conf.d/..1/a.conf", "# nought")
			s.link("..1", "conf.d/..data")
			s.link("..data/a.conf", "conf.d/a.conf")
		}, two(func(s site, text string) {
			s.write("conf.d/.."+text+"/a.conf", text)
			s.link(".."+text, "conf.d/..data")
		})},
		{"release swapped, then edited inside", func(s site) {
			s.remove("conf.d")
			s.write("releases/1/conf.d/a.conf", "# nought")
			s.link("releases/1", "current")
			s.link("current/conf.d", "conf.d")
		}, func(s site) []func() {
			return []func(){
				func() {
					s.write("releases/2/conf.d/a.conf", "# one")
					s.link("releases/2", "current")
				},
				func() { s.write("releases/2/conf.d/a.conf", "# two") },
			}
		}},
		{"certbot's link swapped, then its target rewritten", func(s site) {
			s.remove("live")
			s.write("archive/cert1.pem", "nought")
			s.link("../archive/cert1.pem", "live/cert.pem")
		}, func(s site) []func() {
			return []func(){
				func() {
					s.write("archive/cert2.pem", "one")
					s.link("../archive/cert2.pem", "live/cert.pem")
				},
				func() { s.write("archive/cert2.pem", "two") },
			}
		}},
		{"folder removed and made anew, then edited", nil, func(s site) []func() {
			return []func(){
				func() { s.remove("conf.d") },
				func() { s.write("conf.d/a.conf", "# one") },
				func() { s.replace("conf.d/a.conf", "# two") },
			}
		}},
		{"folder above renamed away and replaced", func(s site) {
			s.remove("live")
			s.write("store/keys/cert.pem", "nought")
			s.link("store/keys", "live")
		}, func(s site) []func() {
			return []func(){
				func() {
					s.write("store2/keys/cert.pem", "one")
					s.rename("store", "store1")
					s.rename("store2", "store")
				},
				func() { s.write("store/keys/cert.pem", "two") },
			}
		}},
		{"new file, then removed", nil, func(s site) []func() {
			return []func(){
				func() { s.write("conf.d/new.conf", "# new") },
				func() { s.remove("conf.d/new.conf") },
			}
		}},
		{"what was missing appears", func(s site) { s.remove("live") }, func(s site) []func() {
			return []func(){
				func() { s.must(os.MkdirAll(s.path("live"), 0o755)); s.write("live/cert.pem", "one") },
				func() { s.write("live/cert.pem", "two") },
			}
		}},
		{"a file that only the changed one names", nil, func(s site) []func() {
			return []func(){
				func() { s.write("extra/x.conf", "broken"); s.write("conf.d/a.conf", "include extra/x.conf;") },
				func() { s.write("extra/x.conf", "# mended") },
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.write("nginx.conf", includingConf)
			s.write("conf.d/a.conf", "# nought")
			s.write("live/cert.pem", "nought")
			if c.setup != nil {
				c.setup(s)
			}
			r := s.byHand()
			if r.told {
				t.Fatalf("told before anything changed: %+v", r.change)
			}
			for i, edit := range c.edits(s) {
				was := r.last
				edit()
				awaitEvent(t, r)
				r.settled(testContext(t))
				if !r.told {
					t.Fatalf("edit %d: nothing told", i)
				}
				if r.last.Digest() == was.Digest() {
					t.Errorf("edit %d: told without a change", i)
				}
				if len(r.change.Paths) == 0 {
					t.Errorf("edit %d: told without files: %+v", i, r.change)
				}
				r.told = false // taken
				if err := r.Warning(); err != nil {
					t.Errorf("edit %d: warning %v", i, err)
				}
				r.settled(testContext(t))
				if r.told {
					t.Errorf("edit %d: told twice: %+v", i, r.change)
				}
			}
		})
	}
}

func TestWhatLeavesContentAsItWasIsNoChange(t *testing.T) {
	for name, edit := range map[string]func(s site){
		"touch":             func(s site) { s.must(os.Chtimes(s.path("conf.d/a.conf"), time.Now(), time.Now())) },
		"chmod":             func(s site) { s.must(os.Chmod(s.path("conf.d/a.conf"), 0o600)) },
		"same content":      func(s site) { s.write("conf.d/a.conf", "# nought") },
		"same, renamed":     func(s site) { s.replace("conf.d/a.conf", "# nought") },
		"there and away":    func(s site) { s.write("conf.d/b.conf", "x"); s.remove("conf.d/b.conf") },
		"another that way":  func(s site) { s.rename("conf.d", "c"); s.link("c", "conf.d") },
		"changed and back":  func(s site) { s.write("conf.d/a.conf", "x"); s.write("conf.d/a.conf", "# nought") },
		"folder touched":    func(s site) { s.must(os.Chmod(s.path("conf.d"), 0o711)) },
		"certificate moved": func(s site) { s.rename("live/cert.pem", "c"); s.rename("c", "live/cert.pem") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.write("nginx.conf", includingConf)
			s.write("conf.d/a.conf", "# nought")
			s.write("live/cert.pem", "nought")
			r := s.byHand()
			edit(s)
			awaitEvent(t, r)
			if r.settled(testContext(t)); r.told {
				t.Errorf("told: %+v", r.change)
			}
		})
	}
}

func TestJunkBesideTheFilesDoesNotEvenStir(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "# nought")
	r := s.byHand()
	for _, junk := range []string{"conf.d/README", "conf.d/.a.conf.swp", "conf.d/.#a.conf", "conf.d/a.conf~", "error.log", "live.old/x"} {
		s.write(junk, "junk")
	}
	s.write("conf.d/a.conf", "# one")
	if got, want := awaitEvent(t, r), s.path("conf.d/a.conf"); got != want {
		t.Errorf("first event that counts: %s, want %s", got, want)
	}
}

func TestChangeIsToldWithItsFiles(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "# nought")
	r := s.byHand()
	ctx := testContext(t)

	s.write("conf.d/b.conf", "# one")
	r.settled(ctx)
	want := Changed{Digest: s.hash(s.set()).Digest(), Paths: []string{s.path("conf.d/b.conf")}}
	if diff := cmp.Diff(want, r.change); diff != "" || !r.told {
		t.Errorf("told %v (-want +got):\n%s", r.told, diff)
	}

	// Nobody took it: the next one holds both.
	s.write("conf.d/a.conf", "# one")
	r.settled(ctx)
	want = Changed{Digest: s.hash(s.set()).Digest(), Paths: []string{s.path("conf.d/a.conf"), s.path("conf.d/b.conf")}}
	if diff := cmp.Diff(want, r.change); diff != "" || !r.told {
		t.Errorf("told %v (-want +got):\n%s", r.told, diff)
	}

	// Undone before it was taken, it is none.
	s.write("conf.d/a.conf", "# nought")
	s.remove("conf.d/b.conf")
	if r.settled(ctx); r.told {
		t.Errorf("told: %+v", r.change)
	}

	s.write("conf.d/a.conf", "# two")
	r.settled(ctx)
	r.told = false // taken
	s.write("conf.d/a.conf", "# nought")
	r.settled(ctx)
	want = Changed{Digest: r.loaded.held.Digest(), Back: true, Paths: []string{s.path("conf.d/a.conf")}}
	if diff := cmp.Diff(want, r.change); diff != "" || !r.told {
		t.Errorf("told %v (-want +got):\n%s", r.told, diff)
	}
}

func TestChangeNamesABoundedNumberOfFiles(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	r := s.byHand()
	for i := range maxChangedPaths + 5 {
		s.write(fmt.Sprintf("conf.d/%02d.conf", i), "# new")
	}
	r.settled(testContext(t))
	if len(r.change.Paths) != maxChangedPaths || r.change.More != 5 {
		t.Errorf("%d paths and %d more, want %d and 5", len(r.change.Paths), r.change.More, maxChangedPaths)
	}
}

func TestWhatChangedWhileItWasLoadedIsTold(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", includingConf)
	s.write("conf.d/a.conf", "# nought")
	before := s.hash(s.set())
	s.write("conf.d/a.conf", "include extra.conf;")
	s.write("extra.conf", "# new")

	r := newWatchRun(NewWatcher(nil))
	defer r.close()
	r.load(load{s.set(), before})
	r.settled(testContext(t))
	want := []string{s.path("conf.d/a.conf"), s.path("extra.conf")}
	if diff := cmp.Diff(want, r.change.Paths); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFolderMountedUnderTwoNamesIsWatchedUnderBoth(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", "http { include one/a.conf; include two/*.conf; }")
	s.write("one/a.conf", "# nought")
	s.must(os.Mkdir(s.path("two"), 0o755))
	inMountNamespace(t, func() {
		s.must(unix.Mount(s.path("one"), s.path("two"), "", unix.MS_BIND, ""))
		r := s.byHand()
		s.write("two/b.conf", "# one")
		awaitEvent(t, r)
		r.settled(testContext(t))
		want := []string{s.path("two/b.conf")} // the kernel tells of one/b.conf, which is none of ours
		if diff := cmp.Diff(want, r.change.Paths); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}
