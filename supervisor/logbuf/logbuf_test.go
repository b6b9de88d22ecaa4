package logbuf

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// valve is a log that accepts nothing while it is shut.
type valve struct {
	open chan struct{} // closed once open
	mu   sync.Mutex
	got  bytes.Buffer
}

func (v *valve) Write(p []byte) (int, error) {
	<-v.open
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got.Write(p)
}

// lines are what arrived, with the instants taken out of what logbuf itself says.
func (v *valve) lines() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := regexp.MustCompile(`time=\S+ |"time":"[^"]*",`).ReplaceAllString(v.got.String(), "")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func say(t *testing.T, w *Writer, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
		t.Fatalf("Write = %d, %v, want %d", n, err, len(line))
	}
}

func TestWriterPassesOnEveryLine(t *testing.T) {
	v := &valve{open: make(chan struct{})}
	close(v.open)
	w := New(v, 0)
	var want []string
	for i := range 1000 {
		say(t, w, "line %d\n", i)
		want = append(want, fmt.Sprintf("line %d", i))
	}
	if err := w.Close(time.Minute); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, v.lines()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if n := w.Dropped(); n != 0 {
		t.Errorf("dropped %d, want 0", n)
	}
}

func TestWriterNeverBlocksAndTellsWhatWasDropped(t *testing.T) {
	tests := []struct{ name, format, notice string }{
		{"text", "msg=%d\n", `level=WARN msg="log lines dropped" count=%d`},
		{"json", `{"msg":"%d"}` + "\n", `{"level":"WARN","msg":"log lines dropped","count":%d}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &valve{open: make(chan struct{})}
				width := len(fmt.Sprintf(test.format, 0))
				w := New(v, 3*width)

				var want []string
				expect := func(i int) { want = append(want, strings.TrimSpace(fmt.Sprintf(test.format, i))) }
				say(t, w, test.format, 0)
				expect(0)
				synctest.Wait() // line 0 is on its way, and stuck
				for i := 1; i < 10; i++ {
					say(t, w, test.format, i)
					if i <= 3 {
						expect(i)
					}
				}
				if n := w.Dropped(); n != 6 {
					t.Errorf("dropped %d, want 6", n)
				}
				close(v.open)
				synctest.Wait()
				// Told as soon as there is room, without a further line.
				want = append(want, fmt.Sprintf(test.notice, 6))
				if diff := cmp.Diff(want, v.lines()); diff != "" {
					t.Errorf("log after the stall (-want +got):\n%s", diff)
				}
				say(t, w, test.format, 10)
				expect(10)
				if err := w.Close(time.Minute); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, v.lines()); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
				if n := w.Dropped(); n != 6 {
					t.Errorf("dropped %d, want 6", n)
				}
			})
		})
	}
}

func TestWriterDropsALineThatIsLargerThanItself(t *testing.T) {
	v := &valve{open: make(chan struct{})}
	close(v.open)
	w := New(v, 8)
	say(t, w, "longer than that\n")
	say(t, w, "short\n")
	if err := w.Close(time.Minute); err != nil {
		t.Error(err)
	}
	if n := w.Dropped(); n != 1 {
		t.Errorf("dropped %d, want 1", n)
	}
}

func TestCloseGivesUpOnAStuckLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &valve{open: make(chan struct{})}
		w := New(v, 0)
		say(t, w, "stuck\n")
		began := time.Now()
		if err := w.Close(2 * time.Second); !errors.Is(err, ErrTimeout) {
			t.Errorf("Close = %v, want ErrTimeout", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("Close took %v, want 2s", took)
		}
		say(t, w, "too late\n")
		if n := w.Dropped(); n != 1 {
			t.Errorf("dropped %d after Close, want 1", n)
		}
		close(v.open)
	})
}

func TestCloseTellsOfALogThatFails(t *testing.T) {
	broken := errors.New("broken pipe")
	w := New(writerFunc(func([]byte) (int, error) { return 0, broken }), 0)
	say(t, w, "one\n")
	if err := w.Close(time.Minute); !errors.Is(err, broken) {
		t.Errorf("Close = %v, want the log's error", err)
	}
	if n := w.Dropped(); n != 1 {
		t.Errorf("dropped %d, want the one that the log refused", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
