package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rootCache is where the script testenv/root keeps what it makes.
const rootCache = "/var/cache/ngha"

// Root is the file system of another Debian release, with its nginx,
// keepalived and curl. A host's init and everything under it see one copy, each
// container another; a copy ends, with what was written to it, when its first
// process does. Common to all and to the test are /dev, the directory for
// temporary files and the lab's own.
type Root struct {
	suite string
	dir   string
	lock  *os.File // shared: testenv/root leaves the root alone meanwhile
}

// Root returns the file system of a Debian release, "trixie", which
// testenv/prepare has made. Where there is none it skips the test, or fails it
// when NGHA_REQUIRE_ROOT_TESTS=1. It waits while one is being made. "" is this
// machine's own, nil.
func (l *Lab) Root(suite string) *Root {
	l.t.Helper()
	if suite == "" {
		return nil
	}
	for _, r := range l.roots {
		if r.suite == suite {
			return r
		}
	}
	RequireBinary(l.t, "pivot_root")
	r, err := openRoot(suite)
	if err != nil {
		missing(l.t, "there is no root file system of Debian %s, which `testenv/root %s` makes: %v", suite, suite, err)
	}
	l.roots = append(l.roots, r)
	return r
}

// EachRelease runs a test, in parallel, with this machine's nginx, which is 1.22
// where the gate runs, and with that of another release, 1.26: release is for
// [Lab.Root].
func EachRelease(t *testing.T, f func(t *testing.T, release string)) {
	t.Helper()
	for name, release := range map[string]string{"own nginx": "", "trixie's nginx": "trixie"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, release)
		})
	}
}

func openRoot(suite string) (*Root, error) {
	r := &Root{suite: suite, dir: filepath.Join(rootCache, suite)}
	var err error
	if r.lock, err = os.Open(r.dir + ".lock"); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(r.lock.Fd()), unix.LOCK_SH); err != nil {
		r.close()
		return nil, fmt.Errorf("lock %s: %w", r.lock.Name(), err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "etc/ngha-root")); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *Root) close() { r.lock.Close() } // read only: nothing can be lost

func (r *Root) String() string { return r.suite }

// SetRoot has every program of the host run in r from now on: nodes, nginx,
// keepalived and what Start and Run are given. Nil is this machine's own file
// system, which hosts begin with. A host that has run something must be
// switched off before it is given another.
func (h *Host) SetRoot(r *Root) {
	h.lab.t.Helper()
	if len(h.machines) > 0 && h.root != r {
		h.lab.t.Fatalf("host %s has run programs with another root: switch it off first, or set the root earlier", h.name)
	}
	h.root = r
}

// raiseRoot mounts the copy of the root $1 at $at and shares with it the paths
// that follow, up to "--". The scratch space is in the old /run, which nobody
// sees any more.
const raiseRoot = `if [ "$1" != -- ]; then
	at=/run/root
	mount -t tmpfs tmpfs /run
	mkdir /run/upper /run/work $at
	mount -t overlay -o "lowerdir=$1,upperdir=/run/upper,workdir=/run/work" overlay $at
	shift
	while [ "$1" != -- ]; do
		if [ -d "$1" ]; then
			mkdir -p "$at$1"
		elif ! [ -e "$at$1" ]; then
			mkdir -p "$at${1%/*}"
			: >"$at$1"
		fi
		mount --rbind "$1" "$at$1"
		shift
	done
fi
shift`

// enterRoot makes $at the root of the mount namespace, as pivot_root(2) tells
// under "pivot_root(".", ".")", so that who enters the namespace is in it too.
const enterRoot = `if [ "$at" ]; then
	cd "$at"
	pivot_root . .
	umount --lazy .
	cd /
fi`

// arguments are those of enterMachine that come before the command. r may be
// nil.
func (r *Root) arguments(l *Lab) []string {
	if r == nil {
		return []string{"--"}
	}
	args := []string{r.dir, "/dev", os.TempDir(), l.dir}
	for _, name := range []string{binaryVariable, "GOCOVERDIR"} {
		if path := os.Getenv(name); path != "" {
			args = append(args, path)
		}
	}
	return append(args, "--")
}

// find looks for cmd's program in the host's root: exec.Command has looked for
// it in this process's.
func (h *Host) find(cmd *exec.Cmd) error {
	if h.root == nil || len(cmd.Args) == 0 || strings.Contains(cmd.Args[0], "/") {
		return cmd.Err
	}
	path, err := h.lookPath(cmd.Args[0])
	if err != nil {
		return err
	}
	cmd.Path, cmd.Err = path, nil
	return nil
}

// lookPath is exec.LookPath in the host's root. The path it returns is the
// program's there.
func (h *Host) lookPath(name string) (string, error) {
	if h.root == nil {
		return exec.LookPath(name)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		// Followed from here, a symbolic link could lead out of the root.
		if info, err := os.Lstat(filepath.Join(h.root.dir, dir, name)); err == nil && !info.IsDir() {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("find %s in Debian %v: %w", name, h.root, exec.ErrNotFound)
}

// requireBinary is like RequireBinary, for a program of the host.
func (h *Host) requireBinary(name string) string {
	h.lab.t.Helper()
	path, err := h.lookPath(name)
	if err != nil {
		missing(h.lab.t, "host %s has no program %s: %v", h.name, name, err)
	}
	return path
}
