package lan

import (
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
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
