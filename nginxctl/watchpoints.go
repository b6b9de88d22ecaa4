package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// watchPoints are what must be watched to see every change of a set of files:
// each folder on the way to each of them, through every symbolic link, for the
// one name in it that leads on; and the files themselves, since a file mounted
// alone has no folder here in which its changes show. They are made anew after
// each change: what a name leads to may be another folder then.
type watchPoints struct {
	watcher *fsnotify.Watcher // nil: there is none
	dirs    map[string]*watchDir
	byInode map[inode]*watchDir // a folder mounted twice tells its changes under one name only
	files   map[string]bool     // watched for themselves; without symbolic links
	failed  error               // the first that could not be watched
	gone    []string            // files without a name on their file system
}

type watchDir struct {
	names    map[string]bool
	patterns map[string]bool
}

type inode struct{ dev, ino uint64 }

// WatchError says that changes are only seen when the files are looked at again,
// which is done every Watcher.Rehash.
type WatchError struct {
	Path string // "": nothing can be watched
	Err  error
}

func (e *WatchError) Error() string {
	cure := ""
	if errors.Is(e.Err, unix.ENOSPC) {
		cure = "; raise the sysctl fs.inotify.max_user_watches"
	}
	if errors.Is(e.Err, unix.EMFILE) {
		cure = "; raise the sysctl fs.inotify.max_user_instances"
	}
	what := e.Path
	if what == "" {
		what = "nginx's files"
	}
	return fmt.Sprintf("watch %s: %v%s (without it, changes are seen late)", what, e.Err, cure)
}

func (e *WatchError) Unwrap() error { return e.Err }

// newWatchPoints watches the files of a set.
func newWatchPoints(set FileSet) *watchPoints {
	p := &watchPoints{dirs: make(map[string]*watchDir), byInode: make(map[inode]*watchDir), files: make(map[string]bool)}
	var err error
	if p.watcher, err = fsnotify.NewWatcher(); err != nil {
		p.watcher = nil
		p.failed = &WatchError{Err: err}
	}
	paths, err := set.Paths()
	if err != nil && p.failed == nil {
		p.failed = &WatchError{Err: err}
	}
	for _, path := range paths {
		p.follow("/", parts(path, false))
	}
	for _, g := range set.globs {
		p.follow("/", parts(g, true))
	}
	return p
}

func (p *watchPoints) close() {
	if p.watcher != nil {
		_ = p.watcher.Close() // has nothing to report
	}
}

func (p *watchPoints) events() <-chan fsnotify.Event {
	if p.watcher == nil {
		return nil
	}
	return p.watcher.Events
}

func (p *watchPoints) errors() <-chan error {
	if p.watcher == nil {
		return nil
	}
	return p.watcher.Errors
}

// concern reports whether an event under this name may be a change: folders hold
// other things too, such as logs.
func (p *watchPoints) concern(name string) bool {
	name = filepath.Clean(name)
	if p.files[name] || p.dirs[name] != nil {
		return true
	}
	d := p.dirs[filepath.Dir(name)]
	if d == nil {
		return false
	}
	last := filepath.Base(name)
	if d.names[last] {
		return true
	}
	for pattern := range d.patterns {
		if matchName(pattern, last) {
			return true
		}
	}
	return false
}

// A part is one name on the way of a path.
type part struct {
	text    string
	pattern bool
}

func parts(path string, pattern bool) []part {
	var list []part
	for text := range strings.SplitSeq(path, "/") {
		list = append(list, part{text, pattern && isPattern(text)})
	}
	return list
}

// maxLinks is how many symbolic links the kernel follows on one way.
const maxLinks = 40

// follow goes the way that the parts describe, from a folder that has no
// symbolic link in its name, as the kernel does. It ends where the way does.
func (p *watchPoints) follow(at string, way []part) {
	for links := 0; len(way) > 0; {
		next := way[0]
		way = way[1:]
		switch {
		case next.text == "" || next.text == ".":
			continue
		case next.text == "..":
			at = filepath.Dir(at)
			continue
		case next.pattern:
			p.spread(at, next.text, way)
			return
		}
		p.name(at, next.text) // before it is looked at: later changes are told
		at = filepath.Join(at, next.text)
		fi, err := os.Lstat(at)
		if err != nil {
			return
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := os.Readlink(at)
		if links++; err != nil || links > maxLinks {
			return
		}
		at = filepath.Dir(at)
		if filepath.IsAbs(target) {
			at = "/"
		}
		way = slices.Concat(parts(target, false), way)
	}
	p.file(at)
}

// spread follows each name that a pattern matches. Those at the end of the way
// are files of the set, which are followed for themselves.
func (p *watchPoints) spread(at, pattern string, way []part) {
	if d := p.dir(at); d != nil {
		d.patterns[pattern] = true
	}
	if len(way) == 0 {
		return
	}
	names, err := matching(at, pattern)
	if err != nil {
		p.fail(at, err)
	}
	for _, name := range names {
		p.follow(at, append([]part{{text: name}}, way...))
	}
}

// name watches for changes of one name in a folder.
func (p *watchPoints) name(dir, name string) {
	if d := p.dir(dir); d != nil {
		d.names[name] = true
	}
}

// dir watches a folder; nil if it is not there.
func (p *watchPoints) dir(path string) *watchDir {
	if d := p.dirs[path]; d != nil {
		return d
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil
	}
	p.add(path)
	id := inode{st.Dev, st.Ino}
	d := p.byInode[id]
	if d == nil {
		d = &watchDir{names: make(map[string]bool), patterns: make(map[string]bool)}
		p.byInode[id] = d
	}
	p.dirs[path] = d
	return d
}

// file watches a file for itself.
func (p *watchPoints) file(path string) {
	if p.files[path] || p.dirs[path] != nil {
		return
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return
	}
	p.files[path] = true
	if st.Nlink == 0 {
		p.gone = append(p.gone, path)
	}
	p.add(path)
}

func (p *watchPoints) add(path string) {
	if p.watcher == nil {
		return
	}
	if err := p.watcher.Add(path); err != nil {
		p.fail(path, err)
	}
}

// fail keeps the first fault. A file that has just gone is none: its folder
// tells. Nor is a folder that may be passed but not read: what happens to the
// files in it is told by their own watches.
func (p *watchPoints) fail(path string, err error) {
	if p.failed == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		p.failed = &WatchError{Path: path, Err: err}
	}
}

// warning is what keeps changes from being seen.
func (p *watchPoints) warning() error {
	detached, err := p.detached()
	if err != nil && p.failed == nil {
		p.failed = &WatchError{Err: err}
	}
	if detached != nil {
		return errors.Join(p.failed, detached)
	}
	return p.failed
}
