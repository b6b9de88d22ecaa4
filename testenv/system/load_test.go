package system_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"ngha/testenv"
)

// Nothing but the processor is scarce, and nobody takes the advertisements for
// overdue, although an interval is shorter than a turn of the scheduler. A virtual
// machine may itself be stopped for three of them: the best of three rounds
// counts. It runs alone: no t.Parallel.
func TestFastAdvertisementsUnderFullLoad(t *testing.T) {
	const interval = 10 * time.Millisecond
	s := newLAN(t, interval)
	for range 2 {
		s.start(s.host(), testenv.Node{})
	}
	s.settlesOn(s.a)
	s.b.AwaitHealth("healthy")
	for _, m := range s.nodes {
		m.AwaitStatus("real-time", func(st testenv.Status) error {
			for _, w := range st.Warnings {
				if strings.HasPrefix(w, "realtime: ") {
					t.Fatal(w)
				}
			}
			return nil
		})
	}
	changes := func(m *member) uint64 {
		st, err := m.Status()
		if err != nil {
			t.Fatal(err)
		}
		c := st.VirtualRouters[0].Counters
		return c.BecameActive + c.LeftActive
	}
	hogs := s.lab.Host("hogs")
	for range 4 * runtime.NumCPU() {
		hogs.Start(exec.Command("sh", "-c", "while :; do :; done"))
	}
	for range 3 {
		before, began := changes(s.a)+changes(s.b), time.Now()
		s.capture.Await("advertisements for 8 s", time.Minute, testenv.IsAdvert(vrid), testenv.After(began.Add(8*time.Second)))
		moved := changes(s.a) + changes(s.b) - before
		t.Logf("%d changes of state, longest time between two advertisements: %v", moved,
			longestPause(s.capture.Frames().Where(testenv.IsAdvert(vrid), testenv.After(began))))
		if moved == 0 {
			return
		}
	}
	t.Error("the state changed under load in each of three rounds")
}

// longestPause is the longest time between two frames.
func longestPause(fs testenv.Frames) (longest time.Duration) {
	for i := 1; i < len(fs); i++ {
		longest = max(longest, fs[i].At.Sub(fs[i-1].At))
	}
	return longest
}
