package hook

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/reap"
)

func TestEnvironmentOfARealCommand(t *testing.T) {
	t.Setenv("NGHA_TOKEN", "a secret of the daemon's")
	file := filepath.Join(t.TempDir(), "env")
	r := New([]Hook{{On: []string{"active"}, Exec: []string{"sh", "-c", `env >"$1"`, "sh", file}}}, reap.New(nil), &Options{Node: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.Set(Event{
		State: "active", Reason: "silence; took over", Name: "web", VRID: 51, Interface: "eth0", Priority: 200,
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32"), netip.MustParsePrefix("2001:db8::100/128")},
	})
	if err := r.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(b)), "\n")
	got = slices.DeleteFunc(got, func(kv string) bool { // the shell's own
		return strings.HasPrefix(kv, "PWD=") || strings.HasPrefix(kv, "OLDPWD=") || strings.HasPrefix(kv, "SHLVL=") || strings.HasPrefix(kv, "_=")
	})
	slices.Sort(got)
	want := []string{
		"NGHA_ADDRESSES=198.51.100.100/32 2001:db8::100/128",
		"NGHA_EVENT=active",
		"NGHA_INTERFACE=eth0",
		"NGHA_NAME=web",
		"NGHA_NODE=a",
		"NGHA_PRIORITY=200",
		"NGHA_REASON=silence; took over",
		"NGHA_STATE=active",
		"NGHA_VRID=51",
		"PATH=" + os.Getenv("PATH"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestHookThatFailsForReal(t *testing.T) {
	done := filepath.Join(t.TempDir(), "done")
	hooks := []Hook{
		{On: []string{"stopped"}, Exec: []string{"sh", "-c", "echo no such zone; exit 2"}},
		{On: []string{"stopped"}, Exec: []string{"touch", done}},
	}
	r := New(hooks, reap.New(nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.Set(event("web", "stopped"))
	limit, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for limit.Err() == nil {
		if _, err := os.Stat(done); err == nil {
			break
		}
		<-time.After(time.Millisecond)
	}
	if err := limit.Err(); err != nil {
		t.Errorf("the second hook did not run: %v", err)
	}
	cancel()
	<-ended
	if runs, failed := r.Counts(); runs < 2 || failed < 1 {
		t.Errorf("Counts = %d, %d, want that one ran well and one did not", runs, failed)
	}
}
