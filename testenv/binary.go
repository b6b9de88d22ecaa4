package testenv

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
)

// binaryVariable names a ready-made ngha, which is then used instead of
// building one: for programs that do not run inside the module.
const binaryVariable = "NGHA_BINARY"

// build builds ngha once in the life of this process, whichever test asks
// first. It is a variable because a process has no other owner; what it holds
// is an open file whose name is already gone, so that nothing is left behind.
var build = sync.OnceValues(buildNgha)

// Binary returns the path of an ngha built from this module, in a directory
// which goes with the test. It has the race detector when the caller has, and
// counts coverage when GOCOVERDIR is set. With NGHA_BINARY set it returns that.
func Binary(t TB) string {
	t.Helper()
	if path := os.Getenv(binaryVariable); path != "" {
		return path
	}
	image, err := build()
	if err != nil {
		t.Fatalf("build ngha: %v", err)
	}
	path := filepath.Join(t.TempDir(), "ngha")
	if err := writeExecutable(path, image); err != nil {
		t.Fatalf("copy ngha: %v", err)
	}
	return path
}

// Binary is like the function Binary, with one copy for the whole lab.
func (l *Lab) Binary() string {
	l.t.Helper()
	if l.binary == "" {
		l.binary = Binary(l.t)
	}
	return l.binary
}

func buildNgha() (*os.File, error) {
	dir, err := os.MkdirTemp("", "ngha-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ngha")
	args := []string{"build", "-o", path}
	if raceDetector() {
		args = append(args, "-race")
	}
	if os.Getenv("GOCOVERDIR") != "" {
		args = append(args, "-cover")
	}
	module := strings.TrimSuffix(reflect.TypeFor[Lab]().PkgPath(), "/testenv")
	args = append(args, module+"/cmd/ngha")
	if _, err := sources(); err != nil {
		return nil, fmt.Errorf("read the sources: %w", err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return os.Open(path)
}

// Sources returns the root of the module, for tests that build something of it:
// go test repeats no cached result of theirs when a source has changed.
func Sources(t TB) string {
	t.Helper()
	root, err := sources()
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return root
}

// sources opens every directory of the module, which is what go test notes, and
// returns its root.
func sources() (root string, err error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	root = filepath.Dir(string(mod))
	return root, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 1 {
			return fs.SkipDir
		}
		return err
	})
}

// raceDetector reports whether this program was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// writeExecutable copies image to path. A process forked meanwhile would
// inherit the open file, and executing path would fail with ETXTBSY until that
// process has executed something itself: so none is forked meanwhile.
func writeExecutable(path string, image *os.File) error {
	info, err := image.Stat()
	if err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.NewSectionReader(image, 0, info.Size())); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
