package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ngha/supervisor/config"
)

var update = flag.Bool("update", false, "write what the messages are now into testdata")

// TestMessages compares the faults of the configurations in testdata with what
// an operator shall read. An archive has any of the files ngha.yaml, env (one
// variable a line), flags (one a line: --vrid 7) and command (one word a line),
// and want.
func TestMessages(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, want := sourcesOf(t, a)
			_, err = config.Load(s)
			if _, ok := errors.AsType[config.Errors](err); !ok {
				t.Fatalf("Load returned %v (%T), want config.Errors", err, err)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(s.File)+"/", "") + "\n"
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// sourcesOf returns what a describes, and its file want.
func sourcesOf(t *testing.T, a *txtar.Archive) (s config.Sources, want *txtar.File) {
	s.File = filepath.Join(t.TempDir(), "ngha.yaml")
	for i, f := range a.Files {
		lines := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
		switch f.Name {
		case "ngha.yaml":
			if err := os.WriteFile(s.File, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		case "env":
			s.Environ = lines
		case "flags":
			for _, l := range lines {
				name, value, _ := strings.Cut(l, " ")
				s.Flags = append(s.Flags, config.Flag{Name: strings.TrimPrefix(name, "--"), Value: value})
			}
		case "command":
			s.Command = lines
		case "want":
			want = &a.Files[i]
		default:
			t.Fatalf("unknown file %s", f.Name)
		}
	}
	if want == nil {
		t.Fatal("the archive has no file want")
	}
	return s, want
}
