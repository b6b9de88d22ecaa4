package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/config"
)

var updateReadme = flag.Bool("update-readme", false, "rewrite the README's table of settings")

// TestReadmeTableIsCurrent keeps the README's table to what can be configured.
func TestReadmeTableIsCurrent(t *testing.T) {
	const name, begin, end = "../../README.md", "<!-- settings -->\n", "<!-- end of settings -->\n"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(b), begin)
	table, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		t.Fatalf("%s has no %q and %q", name, begin, end)
	}
	want := settingsTable()
	if *updateReadme {
		if err := os.WriteFile(name, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("the table in %s is not current; run this test with -update-readme (-want +got):\n%s", name, diff)
	}
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| key | flag, environment | default | meaning |\n|---|---|---|---|\n")
	for _, s := range config.Settings() {
		key, flag, value := "", "", ""
		if s.Key != "" {
			key = "`" + s.Key + "`"
		}
		switch {
		case s.Quiet:
			flag = fmt.Sprintf("`%s`", s.Env())
		case s.Flag != "":
			flag = fmt.Sprintf("`--%s`, `%s`", s.Flag, s.Env())
		}
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", key, flag, value, s.Help)
	}
	return b.String()
}
