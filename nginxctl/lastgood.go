package nginxctl

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// LastGood keeps a private copy of the last configuration that worked, so that
// nginx can be started although the originals are broken or gone: nginx dies when
// somebody is half through an edit, or the machine restarts with it.
//
// The copy holds the configuration's files and what is read with them, such as
// certificates and keys. Modules, Perl, Lua and XSLT programs stay where they
// are, as does all that is read for each request. Pid file, logs, sockets and
// temporary files are those of the original.
//
// Its methods may be called from any goroutine, but one Save at a time.
type LastGood struct {
	dir  string
	log  *slog.Logger
	kept atomic.Pointer[keptCopy] // nil: none
}

// keptCopy describes a copy. It is written last, and holds all that is needed to
// use the copy after a restart.
type keptCopy struct {
	Root   string // the copy's files; absolute, as in their texts
	Sum    Digest // over them
	Main   string // the original's FileSet, field by field
	Bases  bases
	Files  map[string]role
	Globs  []string
	Loaded map[string]fileSum // what it held
}

func (k *keptCopy) set() FileSet       { return FileSet{k.Main, k.Bases, k.Files, k.Globs} }
func (k *keptCopy) snapshot() Snapshot { return Snapshot{k.Loaded} }

const (
	keptName  = "lastgood.json"
	keptFiles = "lastgood-" // and something random: a folder with a copy
)

// OpenLastGood opens the state directory dir, or makes it, and takes up the copy
// that is there. A damaged one is reported to log and not used. A nil log
// discards.
//
// nginx is told to read what is in dir, which nobody else may write to therefore.
func OpenLastGood(dir string, log *slog.Logger) (*LastGood, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the last good configuration: %w", err)
	}
	if strings.ContainsAny(dir, "*?[]\\$\"'\r\n") {
		return nil, fmt.Errorf("state directory %q: nginx would read its name as a pattern or a variable; choose one of plain letters", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the last good configuration: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	l := &LastGood{dir: dir, log: log}
	if err := l.take(); err != nil {
		log.Warn("the copy of the last good configuration is not used", "err", err)
	}
	if err := l.clean(); err != nil {
		return nil, err
	}
	return l, nil
}

// private makes sure that only we, or root, can have written what is in dir.
func private(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("stat %s: %w", dir, err)
	}
	if int(st.Uid) != os.Geteuid() && st.Uid != 0 || st.Mode&0o022 != 0 {
		return fmt.Errorf("state directory %s may be written to by others, and nginx would read what they write: chown it to this user and chmod 700 it", dir)
	}
	return nil
}

// take reads what an earlier run left.
func (l *LastGood) take() error {
	text, err := os.ReadFile(filepath.Join(l.dir, keptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var k keptCopy
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(l.dir, keptName), err)
	}
	if filepath.Dir(k.Root) != l.dir {
		return fmt.Errorf("%s was made for the directory %s", filepath.Join(l.dir, keptName), filepath.Dir(k.Root))
	}
	if err := k.check(); err != nil {
		return err
	}
	l.kept.Store(&k)
	return nil
}

// check reports whether the copy's files are as they were written.
func (k *keptCopy) check() error {
	sum, err := sumTree(k.Root)
	if err != nil {
		return err
	}
	if sum != k.Sum {
		return fmt.Errorf("%s: its files are not those that were written", k.Root)
	}
	return nil
}

// sumTree sums up the names and contents of all files under root.
func sumTree(root string) (Digest, error) {
	held := Snapshot{sums: make(map[string]fileSum)}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		held.sums[path], err = readFile(path, sha256.New())
		return err
	})
	if err != nil {
		return Digest{}, fmt.Errorf("sum up %s: %w", root, err)
	}
	return held.Digest(), nil
}

// clean removes what is left of other copies.
func (l *LastGood) clean() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("clean up old copies: %w", err)
	}
	k := l.kept.Load()
	var errs []error
	for _, e := range entries {
		path := filepath.Join(l.dir, e.Name())
		if strings.HasPrefix(e.Name(), keptFiles) && (k == nil || path != k.Root) {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// Digest is that of the originals which the copy was made from; zero if there is
// no copy.
func (l *LastGood) Digest() Digest {
	if k := l.kept.Load(); k != nil {
		return k.snapshot().Digest()
	}
	return Digest{}
}

// Originals are the files that the copy was made from, and what they held: what
// to watch while nginx runs from the copy. Zero if there is no copy.
func (l *LastGood) Originals() (FileSet, Snapshot) {
	if k := l.kept.Load(); k != nil {
		return k.set(), k.snapshot()
	}
	return FileSet{}, Snapshot{}
}

// Nginx returns n without its wrapper, told to read the copy; false if there is
// none. Its reloads read the copy again: to follow the originals once more, take
// its place with an nginx that reads them.
func (l *LastGood) Nginx(n Nginx) (Nginx, bool) {
	k := l.kept.Load()
	if k == nil {
		return n, false
	}
	return n.withConf(mirror{root: k.Root}.of(k.Main)), true
}

// withConf is nginx itself with another main configuration file.
func (n Nginx) withConf(conf string) Nginx {
	c := n.command()
	if c.hidden {
		c = splitCommand([]string{c.program})
	}
	c.args = slices.Clone(c.args)
	found := false
	c.eachOption(func(letter byte, value *string) {
		if letter == 'c' {
			*value, found = conf, true
		}
	})
	if !found {
		c.args = append(c.args, "-c", conf)
	}
	n.Command = c.direct()
	return n
}

// ChangedError says that files are no longer as nginx loaded them.
type ChangedError struct{ Paths []string }

func (e *ChangedError) Error() string {
	return "nginx's files have changed since they were loaded: " + strings.Join(e.Paths, ", ")
}

// Save makes the copy of a configuration that n has loaded and that works. s is
// its set, loaded what Hash found before it was loaded; a *ChangedError says that
// they are something else by now. nginx tests the copy, and must read the same
// files: one that does not pass is not used. The copy before is kept until then.
func (l *LastGood) Save(ctx context.Context, n Nginx, s FileSet, loaded Snapshot) error {
	if k := l.kept.Load(); k != nil && k.Main == s.main && l.Digest() == loaded.Digest() && k.check() == nil {
		return nil
	}
	k, err := l.copy(ctx, n, s, loaded)
	if err != nil {
		return errors.Join(fmt.Errorf("copy nginx's configuration: %w", err), l.clean())
	}
	l.kept.Store(k)
	return l.clean()
}

func (l *LastGood) copy(ctx context.Context, n Nginx, s FileSet, loaded Snapshot) (*keptCopy, error) {
	root, err := os.MkdirTemp(l.dir, keptFiles)
	if err != nil {
		return nil, err
	}
	m := mirror{root: root, copied: make(map[string]bool)}
	if err := m.fill(ctx, s, loaded); err != nil {
		return nil, err
	}
	if err := m.prove(ctx, n, s); err != nil {
		return nil, err
	}
	k := &keptCopy{Root: root, Main: s.main, Bases: s.bases, Files: s.files, Globs: s.globs, Loaded: maps.Clone(loaded.sums)}
	if k.Sum, err = sumTree(root); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return nil, err
	}
	name := filepath.Join(l.dir, keptName)
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return nil, err
	}
	return k, os.Rename(name+".new", name)
}
