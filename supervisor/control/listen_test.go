package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListenMakesTheSocketForItsOwnerOnly(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "run", "ngha", "ngha.sock")
	l, err := Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, filepath.Dir(socket), fs.ModeDir|0o755)
	wantMode(t, socket, fs.ModeSocket|0o600)
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after Close: %v, want that it is gone", err)
	}
}

func TestListenSaysWhatToDoAboutAFolderThatIsClosedToIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(file, "ngha", "ngha.sock")
	l, err := Listen(socket, "")
	if err == nil {
		l.Close()
		t.Fatal("no error")
	}
	for _, want := range []string{socket, "cannot write into " + filepath.Dir(socket), "tmpfs", "--socket"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
}

func TestListenLetsAGroupIn(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ngha.sock")
	gid := os.Getgid() // the one group that everybody may give a file to
	l, err := Listen(socket, fmt.Sprint(gid))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantMode(t, socket, fs.ModeSocket|0o660)
	info, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := int(info.Sys().(*syscall.Stat_t).Gid); got != gid {
		t.Errorf("group %d, want %d", got, gid)
	}
}

func TestListenRefusesAGroupThatIsNotThere(t *testing.T) {
	l, err := Listen(filepath.Join(t.TempDir(), "ngha.sock"), "no-such-group")
	if err == nil {
		l.Close()
		t.Fatal("no error")
	}
	if !strings.Contains(err.Error(), `group "no-such-group"`) {
		t.Errorf("error %v does not name the group", err)
	}
}

func TestListenRefusesAPathThatIsTooLong(t *testing.T) {
	dir := t.TempDir()
	longest := filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	l, err := Listen(longest, "")
	if err != nil {
		t.Fatalf("%d bytes: %v", len(longest), err)
	}
	l.Close()
	if l, err := Listen(longest+"x", ""); err == nil {
		l.Close()
		t.Errorf("%d bytes: no error", len(longest)+1)
	} else if !strings.Contains(err.Error(), "107 bytes at most") {
		t.Errorf("error %v does not say what is wrong", err)
	}
}

func TestListenRefusesASecondOneAndNamesTheFirst(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ngha.sock")
	first, err := Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := Listen(socket, "")
	if err == nil {
		second.Close()
		t.Fatal("no error")
	}
	want := fmt.Sprintf("control socket %s: lock: another ngha, pid %d, runs here; end it, or give this one a control socket of its own (--socket)", socket, os.Getpid())
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatalf("the first one's socket: %v", err)
	}
	conn.Close()

	first.Close()
	third, err := Listen(socket, "")
	if err != nil {
		t.Fatalf("after the first one's end: %v", err)
	}
	third.Close()
}

// An ngha that was killed leaves its socket and its lock file, but no lock.
func TestListenReplacesWhatAKilledOneLeft(t *testing.T) {
	if socket := os.Getenv("CONTROL_TEST_SOCKET"); socket != "" {
		if _, err := Listen(socket, ""); err != nil {
			t.Fatal(err)
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	socket := filepath.Join(t.TempDir(), "ngha.sock")
	killed := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	killed.Env = append(os.Environ(), "CONTROL_TEST_SOCKET="+socket)
	out, err := killed.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("the one to be killed: %v\n%s", err, out)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Fatalf("nothing was left behind: %v", err)
	}
	l, err := Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestListenSparesWhatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	live := filepath.Join(dir, "live.sock")
	other, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, path := range []string{file, live} {
		if l, err := Listen(path, ""); err == nil {
			l.Close()
			t.Errorf("%s was replaced", path)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s: mode %v, want %v", path, info.Mode(), want)
	}
}
