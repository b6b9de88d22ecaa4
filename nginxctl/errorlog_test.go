package nginxctl

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReasonIsWhatTheMasterSaidSinceTheMark(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "error.log")
	before := "2026/11/23 06:00:00 [emerg] 7#7: long ago\n"
	if err := os.WriteFile(log, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	late := filepath.Join(dir, "late.log") // is made by nginx
	l := markLogs([]string{log, late, dir}, stderr)
	after := before + strings.Join([]string{
		`2026/11/23 06:00:01 [emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)`,
		`2026/11/23 06:00:01 [notice] 7#7: try again to bind() after 500ms`,
		`2026/11/23 06:00:01 [emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)`,
		`2026/11/23 06:00:01 [emerg] 8#8: of another process`,
		`2026/11/23 06:00:01 [alert] 7#7: [lua] said [emerg] 9#9: x`,
		`not a log line`,
		``,
	}, "\n")
	if err := os.WriteFile(log, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(late, []byte("2026/11/23 06:00:01 [crit] 7#7: late\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := stderr.WriteString("nginx: [emerg] still could not bind()\nnginx: [warn] no fault\n"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"[emerg] bind() to 127.0.0.1:80 failed (98: Address already in use)",
		"[alert] [lua] said [emerg] 9#9: x",
		"[crit] late",
		"[emerg] still could not bind()",
	}
	if diff := cmp.Diff(strings.Join(want, "; "), l.reason(7)); diff != "" {
		t.Errorf("reason (-want +got):\n%s", diff)
	}
}

func TestReasonSaysWhereToLookWhenThereIsNone(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	log := filepath.Join(t.TempDir(), "error.log")
	got := markLogs([]string{log}, null).reason(7)
	if want := "the reason is in " + log + " or nginx's standard error"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

func TestTakenIsWhatWasNotTakenBefore(t *testing.T) {
	log := filepath.Join(t.TempDir(), "error.log")
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	add("before\n")
	var l logMarks
	l.mark(log, log)
	flood := strings.Repeat("[error] no such file\n", maxReason/10)
	for _, step := range []struct{ what, added, want string }{
		{"nothing", "", ""},
		{"a line", "one\n", "one\n"},
		{"nothing more", "", ""},
		{"the beginning of a line", "two", ""},
		{"the rest of it", "\nthree\n", "two\nthree\n"},
		{"more than is read", flood + "four\n", flood[len(flood)-maxReason+len("four\n"):] + "four\n"},
		{"a line after it", "five\n", "five\n"},
	} {
		add(step.added)
		if got := l.take(); got != step.want {
			t.Errorf("%s: took %d characters, want %d: %.80q", step.what, len(got), len(step.want), got)
		}
	}
	if err := os.WriteFile(log, []byte("six\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := l.take(); got != "six\n" {
		t.Errorf("of a log that was truncated: %q", got)
	}
}
