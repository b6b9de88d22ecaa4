package command

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/reap"
)

func shell(script string, args ...string) Command {
	return Command{Argv: append([]string{"sh", "-c", script, "sh"}, args...)}
}

func TestRunReturnsWhatWasPrinted(t *testing.T) {
	got, err := Run(t.Context(), reap.New(nil), shell(`echo to stdout; printf 'to\tstderr\n' >&2`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("to stdout to stderr", got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRunKeepsTheEndOfALongOutput(t *testing.T) {
	got, err := Run(t.Context(), reap.New(nil), shell(`i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done`))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "...") || !strings.HasSuffix(got, "line 498 line 499") || len(got) > tailSize+3 {
		t.Errorf("output of %d bytes: %q", len(got), got)
	}
}

func TestRunQuotesTheOutputInItsError(t *testing.T) {
	_, err := Run(t.Context(), reap.New(nil), shell(`echo no such address; exit 4`))
	if err == nil {
		t.Fatal("no error for exit status 4")
	}
	if diff := cmp.Diff("sh: exit status 4: no such address", err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestRunStatesTheEnvironment(t *testing.T) {
	t.Setenv("SECRET", "x")
	c := Command{Argv: []string{"env"}, Env: []string{"NGHA_NAME=web"}}
	got, err := Run(t.Context(), reap.New(nil), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("PATH="+os.Getenv("PATH")+" NGHA_NAME=web", got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestRunUsesNoShell(t *testing.T) {
	got, err := Run(t.Context(), reap.New(nil), Command{Argv: []string{"echo", "$HOME;", "`id`"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("$HOME; `id`", got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRunKillsTheWholeGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Run(ctx, reap.New(nil), shell(`sleep 600 & echo $! >"$1.new"; mv "$1.new" "$1"; wait`, pidFile))
		ended <- err
	}()
	grandchild := awaitPID(t, pidFile)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was canceled", err)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(grandchild); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d, which the program left in the background, lives", grandchild)
		}
	}
}

func TestRunLeavesAloneWhatAProgramLeftRunning(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	// The background process holds the output open; Run must not wait for it.
	out, err := Run(t.Context(), reap.New(nil), shell(`sleep 600 & echo $! >"$1.new"; mv "$1.new" "$1"; echo done`, pidFile))
	if err != nil || out != "done" {
		t.Errorf("Run = %q, %v, want done", out, err)
	}
	pid := awaitPID(t, pidFile)
	if !alive(pid) {
		t.Errorf("process %d was killed", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// Its last words are in the pipe when a program has ended, whoever else holds it
// and however late somebody comes to read them.
func TestWhatIsInThePipeIsRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	words := strings.Repeat("x", 60_000) + "no such address"
	if _, err := w.WriteString(words); err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	var out tail
	out.drain(r)
	if diff := cmp.Diff("..."+words[len(words)-tailSize:], out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRunErrors(t *testing.T) {
	if _, err := Run(t.Context(), reap.New(nil), Command{}); err == nil {
		t.Error("no error without a program")
	}
	if _, err := Run(t.Context(), reap.New(nil), Command{Argv: []string{"/nonexistent/program"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no such program", err)
	}
}

// awaitPID reads a pid from a file that is about to appear.
func awaitPID(t *testing.T, file string) int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("%s did not appear", file)
	return 0
}

// alive tells whether pid runs: a zombie does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}
