package vrrptest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ngha/vrrp/vrrptest"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// The files in testdata are archives of a script and its transcript.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no scenarios in testdata")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := make(map[string]string)
			for _, f := range archive.Files {
				parts[f.Name] = string(f.Data)
			}
			transcript, err := vrrptest.Script(parts["script"])
			if err != nil {
				t.Error(err)
			}
			if *update {
				archive.Files = []txtar.File{
					{Name: "script", Data: []byte(parts["script"])},
					{Name: "transcript", Data: []byte(transcript)},
				}
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(parts["transcript"], transcript); diff != "" {
				t.Errorf("transcript (-want +got); go test -update rewrites it:\n%s", diff)
			}
		})
	}
}

func TestScriptReportsWhatIsWrong(t *testing.T) {
	for script, want := range map[string]string{
		"node a\nwant a=active":     "after 0s: a is backup, want active",
		"node a\nholds a":           `after 0s: the address is held by [], want ["a"]`,
		"jump a":                    `line 1: "jump a": unknown command`,
		"node a priority=1":         "line 1: \"node a priority=1\": priority 1: must be 2-254",
		"node a colour=red":         `line 1: "node a colour=red": colour: unknown option`,
		"pause a":                   `line 1: "pause a": no node "a"`,
		"node a\nnode b\ncut a b c": `line 3: "cut a b c": wants 2 names, has 3`,
	} {
		if _, err := vrrptest.Script(script); err == nil || err.Error() != want {
			t.Errorf("script %q: error %v, want %s", script, err, want)
		}
	}
}
