package lan

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

func TestLackingNamesWhatIsMissing(t *testing.T) {
	const admin, raw = uint64(1) << unix.CAP_NET_ADMIN, uint64(1) << unix.CAP_NET_RAW
	for _, tt := range []struct {
		effective uint64
		want      []string
	}{
		{admin | raw, nil},
		{^admin, []string{"NET_ADMIN"}},
		{^raw, []string{"NET_RAW"}},
		{0, []string{"NET_ADMIN", "NET_RAW"}},
	} {
		if diff := cmp.Diff(tt.want, lacking(tt.effective)); diff != "" {
			t.Errorf("lacking(%#x) (-want +got):\n%s", tt.effective, diff)
		}
	}
}

// TestCapableLooksAtTheEffectiveSet gives every capability away on a thread of
// its own, which anybody may.
func TestCapableLooksAtTheEffectiveSet(t *testing.T) {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&head, &make([]unix.CapUserData, 2)[0]); err != nil {
			result <- nil
			return
		}
		result <- Capable()
	}()
	if err := <-result; err == nil || !naming(err, "NET_ADMIN", "NET_RAW", "--cap-add") {
		t.Errorf("Capable without capabilities: %v", err)
	}
}

// A user other than root has capabilities by way of the program's file.
func TestCapableRaisesWhatThePermittedSetHas(t *testing.T) {
	testenv.New(t) // skips where this is not root
	testenv.RequireBinary(t, "setpriv")
	program := filepath.Join(t.TempDir(), "capable")
	build := exec.Command("go", "build", "-o", program, "./testdata/capable")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for dir := program; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// capabilities(7), VFS_CAP_REVISION_2: permitted, and not effective.
	const admin, raw = uint32(1) << unix.CAP_NET_ADMIN, uint32(1) << unix.CAP_NET_RAW
	value := make([]byte, 20)
	binary.LittleEndian.PutUint32(value, 0x02000000)
	binary.LittleEndian.PutUint32(value[4:], admin|raw)
	if err := unix.Setxattr(program, "security.capability", value, 0); err != nil {
		t.Fatal(err)
	}
	as := func(command ...string) string {
		args := append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups"}, append(command, program)...)
		out, err := exec.Command("setpriv", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("setpriv %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got := as(); !strings.HasPrefix(got, "<nil>\ntrue ") {
		t.Errorf("with capabilities on the file:\n%s", got)
	}
	for _, withheld := range [][]string{
		{"setpriv", "--no-new-privs"}, // a second one, which has nothing left of root's
		{"--bounding-set", "-net_admin"},
	} {
		got := as(withheld...)
		if !strings.Contains(got, "missing capability: NET_ADMIN") || !strings.Contains(got, "no no-new-privileges") || !strings.HasSuffix(got, "false 0\n") {
			t.Errorf("with %s:\n%s", withheld, got)
		}
	}
}
