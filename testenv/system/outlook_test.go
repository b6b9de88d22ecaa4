package system_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// journal is where a node's hooks write what they were told.
type journal struct{ dir string }

// script is run by sh as a hook: with "fail" as its second argument it fails
// the first time in each state.
const script = `
dir=$1
if [ "$2" = fail ] && [ ! -e "$dir/failed.$NGHA_EVENT" ]; then
	touch "$dir/failed.$NGHA_EVENT"
	echo "not yet $NGHA_EVENT"
	exit 1
fi
echo "$2 $NGHA_EVENT $NGHA_NODE $NGHA_NAME $NGHA_VRID $NGHA_INTERFACE $NGHA_ADDRESSES" >>"$dir/journal"
`

func newJournal(s *site, name string) journal {
	s.Helper()
	j := journal{filepath.Join(s.lab.Dir(), name+".hooks")}
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.dir, "hook.sh"), []byte(script), 0o644); err != nil {
		s.Fatal(err)
	}
	return j
}

func (j journal) config() string {
	return fmt.Sprintf(`hooks:
  - {on: [active, backup, stopped], exec: [/bin/sh, "%[1]s/hook.sh", "%[1]s", well]}
  - {on: [active], exec: [/bin/sh, "%[1]s/hook.sh", "%[1]s", fail]}
`, j.dir)
}

// await waits until the hooks have written exactly these lines.
func (j journal) await(s *site, node string, lines ...string) {
	s.Helper()
	var want strings.Builder
	for _, line := range lines {
		kind, event, _ := strings.Cut(line, " ")
		fmt.Fprintf(&want, "%s %s %s web %d eth0 %s/32\n", kind, event, node, vrid, vip)
	}
	s.lab.Await("the hooks of "+node, limit, func() error {
		b, err := os.ReadFile(filepath.Join(j.dir, "journal"))
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want.String(), string(b)); diff != "" {
			return fmt.Errorf("journal (-want +got):\n%s", diff)
		}
		return nil
	})
}

// runs counts what the hooks have written about an event.
func (j journal) runs(s *site, event string) int {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(j.dir, "journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Fatal(err)
	}
	return strings.Count(string(b), "well "+event+" ")
}

// awaitRuns waits until the hooks have run so often for an event.
func (j journal) awaitRuns(s *site, event string, count int) {
	s.Helper()
	s.lab.Await(fmt.Sprintf("%d runs of the %s hook in %s", count, event, j.dir), limit, func() error {
		if n := j.runs(s, event); n < count {
			return fmt.Errorf("it has run %d times", n)
		}
		return nil
	})
}

// awaitLast waits until the hooks have run for an event at last.
func (j journal) awaitLast(s *site, event string) {
	s.Helper()
	s.lab.Await(fmt.Sprintf("the %s hook in %s", event, j.dir), limit, func() error {
		b, err := os.ReadFile(filepath.Join(j.dir, "journal"))
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "well "+event+" ") {
			return fmt.Errorf("the last one was %q", last)
		}
		return nil
	})
}

func TestHooksFollowTheState(t *testing.T) {
	t.Parallel()
	s := newLAN(t, time.Second) // of a state that does not last nobody may hear
	onA, onB := newJournal(s, "a"), newJournal(s, "b")
	s.start(s.host(), testenv.Node{Router: "name: web", Config: onA.config()})
	onA.await(s, "a", "well backup", "well active", "fail active")
	s.start(s.host(), testenv.Node{Router: "name: web", Config: onB.config()})
	onB.await(s, "b", "well backup")
	s.settlesOn(s.a)
	s.watch(vip)

	s.owners.during("a hands over", s.soon(), func() {
		s.a.Process().Signal(unix.SIGTERM)
		s.settlesOn(s.b)
	})
	s.ended(s.a, 0)
	onA.await(s, "a", "well backup", "well active", "fail active", "well stopped")
	onB.await(s, "b", "well backup", "well active", "fail active")
}

func TestMetricsShowTheState(t *testing.T) {
	t.Parallel()
	s := newSite(t, testenv.Node{}, testenv.Node{})
	awaitMetrics(s, s.a, "ngha_healthy 1",
		fmt.Sprintf(`ngha_virtual_router_state{name="vrid-51",state="active",vrid="%d"} 1`, vrid),
		fmt.Sprintf(`ngha_virtual_router_priority{name="vrid-51",vrid="%d"} 200`, vrid))
	awaitMetrics(s, s.b, "ngha_healthy 1",
		fmt.Sprintf(`ngha_virtual_router_state{name="vrid-51",state="backup",vrid="%d"} 1`, vrid),
		fmt.Sprintf(`ngha_virtual_router_active_priority{address="198.51.100.1",name="vrid-51",vrid="%d"} 200`, vrid))
	s.a.link.PortDown()
	s.settlesOn(s.b)
	awaitMetrics(s, s.a, "ngha_healthy 1",
		fmt.Sprintf(`ngha_virtual_router_state{name="vrid-51",state="initialize",vrid="%d"} 1`, vrid),
		fmt.Sprintf(`ngha_virtual_router_left_active_total{name="vrid-51",vrid="%d"} 1`, vrid))
	awaitMetrics(s, s.b,
		fmt.Sprintf(`ngha_virtual_router_state{name="vrid-51",state="active",vrid="%d"} 1`, vrid))
}

// awaitMetrics waits until m's metrics, read on the node itself, have these
// lines.
func awaitMetrics(s *site, m *member, lines ...string) {
	s.Helper()
	client := m.Host().HTTPClient()
	defer client.CloseIdleConnections()
	s.lab.Await("metrics of "+m.name, limit, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9650/metrics", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !strings.Contains("\n"+string(body), "\n"+line+"\n") {
				return fmt.Errorf("there is no line %s in\n%s", line, body)
			}
		}
		return nil
	})
}
