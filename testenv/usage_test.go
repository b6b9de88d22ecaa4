package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const rest = " 42 42 0 -1 64 0 0 0 0 3 4 5 6 20 0"
	for _, c := range []struct {
		line string
		want processStat // zero: an error
	}{
		{"42 (nginx) S 7" + rest, processStat{'S', 7, 64, 110 * time.Millisecond}},
		{"42 (a) S 1 (b) Z 9" + rest, processStat{'Z', 9, 64, 110 * time.Millisecond}}, // the name is "a) S 1 (b"
		{"", processStat{}},
		{"42 (nginx) S 7 42 42", processStat{}},
		{"42 (nginx) S x" + rest, processStat{}},
	} {
		got, err := parseStat(c.line)
		if c.want == (processStat{}) {
			if err == nil {
				t.Errorf("%q: no error", c.line)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(processStat{})); diff != "" || err != nil {
			t.Errorf("%q (-want +got):\n%s%v", c.line, diff, err)
		}
	}
}

func TestCPUCountsAProcessAndItsChildren(t *testing.T) {
	self := PIDs{os.Getpid()}
	burnt := func(f func()) time.Duration {
		t.Helper()
		before, err := self.CPU()
		if err != nil {
			t.Fatal(err)
		}
		f()
		after, err := self.CPU()
		if err != nil {
			t.Fatal(err)
		}
		return after - before
	}
	if got := burnt(func() {
		for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
		}
	}); got <= 0 {
		t.Errorf("busy for 100 ms: %v", got)
	}
	if got := burnt(func() {
		if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").Run(); err != nil {
			t.Fatal(err)
		}
	}); got < 2*clockTick {
		t.Errorf("with a child that counted: %v", got)
	}
	if _, err := (PIDs{1 << 22}).CPU(); err == nil {
		t.Error("of nobody: no error")
	}
}

func TestZombiesAreSeen(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a := lab.Host("a")
	p := a.StartContainer(exec.Command("sleep", "infinity")) // which waits for nobody
	m := a.machines[0]
	if out, err := m.run(exec.Command("sh", "-c", leaveOrphans, "sh", "3")); err != nil {
		t.Fatal(err, out)
	}
	var found PIDs
	lab.Await("zombies", awaitLimit, func() (err error) {
		if found, err = m.zombies(); err == nil && len(found) != 3 {
			return fmt.Errorf("there are %v", found)
		}
		return err
	})
	family := p.Family()
	for _, z := range found {
		if !slices.Contains(family, z) {
			t.Errorf("zombie %d is no child of PID 1: %v", z, family)
		}
	}
}
