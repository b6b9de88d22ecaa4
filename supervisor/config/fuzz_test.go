package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"ngha/supervisor/config"
	"ngha/vrrp"
)

// FuzzLoad: whatever a file has in it, Load does not panic, every fault has a
// place in the file, and what has no fault can be run.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(example))
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range a.Files {
			if part.Name == "ngha.yaml" {
				f.Add(part.Data)
			}
		}
	}
	path := filepath.Join(f.TempDir(), "ngha.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 8<<10 {
			return // deeply nested brackets take the YAML parser cubic time
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Sources{Flags: []config.Flag{{Name: "config", Value: path}}})
		if err != nil {
			placed(t, err, strings.Count(string(text), "\n")+1)
			return
		}
		for _, v := range c.VirtualRouters {
			if _, err := vrrp.NewMachine(v.VRRP); err != nil {
				t.Errorf("virtual router %s: %v", v.Name, err)
			}
		}
		if c.Node == "" || len(c.Nginx.Command) == 0 || c.Control.Socket == "" || c.Health.Interval <= 0 {
			t.Errorf("a value is missing: %+v", c)
		}
	})
}

// placed checks that every fault of err has a place in a file of so many lines.
func placed(t *testing.T, err error, lines int) {
	t.Helper()
	faults, ok := errors.AsType[config.Errors](err)
	if !ok || len(faults) == 0 {
		t.Fatalf("Load returned %v (%T), want config.Errors", err, err)
	}
	for _, e := range faults {
		if e.Line < 1 || e.Line > lines || e.Column < 1 || e.Fault == "" || e.Error() == "" {
			t.Errorf("fault without a place in the file of %d lines: %+v", lines, e)
		}
	}
}

// FuzzKeys: whatever a text with keys has in it, reading it does not panic, what
// has no fault can be used, and no fault shows what may be a key.
func FuzzKeys(f *testing.F) {
	for _, seed := range []struct{ why, text string }{
		{"hexadecimal", "1 hex:" + strings.Repeat("0f", 32)},
		{"a text, with blanks", "255\t sixteen bytes and another sixteen. "},
		{"two, a comment and an empty line", "# new\n2 " + strings.Repeat("b", 32) + "\n\n1 " + strings.Repeat("a", 64) + "\r\n"},
		{"too short", "1 hex:" + strings.Repeat("0f", 31)},
		{"half an octet", "1 hex:" + strings.Repeat("0f", 32) + "0"},
		{"the same id twice", "1 " + strings.Repeat("a", 32) + "\n1 " + strings.Repeat("b", 32)},
		{"ids out of range", "0 " + strings.Repeat("a", 32) + "\n256 " + strings.Repeat("a", 32) + "\n-1 " + strings.Repeat("a", 32)},
		{"the id was forgotten", strings.Repeat("a", 32)},
		{"not UTF-8", "1 " + strings.Repeat("\xff", 32)},
	} {
		f.Add(seed.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Load(config.Sources{
			File:    "/none.yaml",
			Environ: []string{"NGHA_VRID=7", "NGHA_VIP=198.51.100.100", "NGHA_AUTH_KEYS=" + text},
		})
		if err == nil {
			v := c.VirtualRouters[0]
			if err := vrrp.ValidateKeys(v.Keys); err != nil && text != "" {
				t.Errorf("keys of %q: %v", text, err)
			}
			return
		}
		for _, word := range strings.Fields(text) {
			word = strings.TrimPrefix(word, "hex:")
			if len(word) > 8 && strings.Contains(err.Error(), word) && !strings.Contains("hexadecimal characters", word) {
				t.Errorf("%q is shown: %v", word, err)
			}
		}
	})
}
