package testenv

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProgramCleansUpLastFirstAndTellsHowItWent(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(TB)
		want int
	}{
		{"done", func(TB) {}, 0},
		{"failed on the way", func(tb TB) { tb.Errorf("worse than hoped") }, 1},
		{"given up", func(tb TB) { tb.Fatalf("impossible") }, 1},
		{"wanted to skip", func(tb TB) { tb.Skipf("not installed") }, 1},
		{"ended by a signal", func(tb TB) {
			if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
				t.Error(err)
			}
			<-tb.Context().Done()
			tb.Fatalf("ended")
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			var order []int
			var dir string
			code := Program{Title: c.name, Out: &out}.Run(func(tb TB) {
				dir = tb.TempDir()
				tb.Cleanup(func() { order = append(order, 1) })
				tb.Cleanup(func() { order = append(order, 2) })
				c.f(tb)
			})
			if code != c.want {
				t.Errorf("exit code %d, want %d; it wrote %q", code, c.want, &out)
			}
			if !slices.Equal(order, []int{2, 1}) {
				t.Errorf("cleanups ran in the order %v, want the last first", order)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary directory is there: %v", err)
			}
		})
	}
}

func TestProgramHasALab(t *testing.T) {
	New(t) // skips where there can be none
	dir := t.TempDir()
	var out strings.Builder
	code := Program{Title: "demo", Out: &out, Artifacts: dir}.Run(func(tb TB) {
		lab := New(tb)
		a := lab.Host("a")
		lab.Bridge("lan").Attach(a, "198.51.100.1/24")
		a.AwaitHolds("198.51.100.1")
		lab.StartNginx(a, "")
	})
	if code != 0 {
		t.Errorf("exit code %d; it wrote %s", code, &out)
	}
	if _, err := os.Stat(dir + "/a.nginx.log"); err != nil {
		t.Errorf("the artifacts are incomplete: %v", err)
	}
}
