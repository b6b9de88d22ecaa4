package standin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/standin"
)

func TestMain(m *testing.M) {
	standin.Act()
	os.Exit(m.Run())
}

// TestEnvironOfTheLastExecution gives entrypoints a stand-in for tool, a script
// that prints its arguments and A.
func TestEnvironOfTheLastExecution(t *testing.T) {
	folder := t.TempDir()
	tool := filepath.Join(folder, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"$@, A=$A\"\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := folder + ":" + os.Getenv("PATH")
	with := func(environ ...string) []string { return append(environ, "PATH="+path) }
	for name, tt := range map[string]struct {
		entrypoint string
		prints     string
		want       []string // nil: it is not known
	}{
		"exports":                {"export A=1; unset B; exec tool x 'y z'", "x y z, A=1\n", with("A=1")},
		"nothing":                {"exec tool x", "x, A=\n", with("B=2")},
		"lines":                  {"export A='1\n2'; exec tool x", "x, A=1\n2\n", with("A=1\n2", "B=2")},
		"asked before":           {"(export A=1; tool x); export A=2; exec tool y", "x, A=1\ny, A=2\n", with("A=2", "B=2")},
		"another folder in PATH": {"export PATH=/usr/no:$PATH; exec tool x", "x, A=\n", []string{"B=2", "PATH=/usr/no:" + path}},
		"PATH of its own":        {"export PATH=" + path + "; exec tool x", "x, A=\n", nil},
		"another program":        {"echo done; exit 7", "done\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := t.TempDir()
			f, err := standin.New(in, "tool")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", tt.entrypoint)
			cmd.Env = f.Lead(with("B=2"))
			out, _ := cmd.CombinedOutput()
			if string(out) != tt.prints || cmd.ProcessState.ExitCode() != 7 {
				t.Errorf("it prints %q and exits %d", out, cmd.ProcessState.ExitCode())
			}
			got, err := f.Environ()
			got = slices.DeleteFunc(got, func(kv string) bool {
				return strings.HasPrefix(kv, "PWD=") || strings.HasPrefix(kv, "_=") || strings.HasPrefix(kv, "SHLVL=")
			})
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v, (-want +got):\n%s", err, diff)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(in); len(left) > 0 || err != nil {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestProgramThatIsMissingIsNotFound(t *testing.T) {
	f, err := standin.New(t.TempDir(), "no-such-tool")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "exec no-such-tool")
	cmd.Env = f.Lead(os.Environ())
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 127 || !strings.Contains(string(out), "run no-such-tool: ") {
		t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), out)
	}
}
