package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/supervisor/config"
)

// A file with secrets must be one that nobody else can read, and nothing that
// ngha would wait for. No message shows what is in it.
func TestSecretFilesAreForNobodyElse(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	const key = "1 hidden-hidden-hidden-hidden-hidden\n"
	write("good", key, 0o600)
	write("read-only", key, 0o400)
	write("group", key, 0o640)
	write("world", key, 0o604)
	write("writable", key, 0o602)
	write("large", strings.Repeat("#\n", 64<<10), 0o600)
	write("empty", "", 0o600)
	write("comment", "# 1 hidden\n", 0o600)
	write("short", "1 hidden\n", 0o600)
	write("digits", key+"2 hex:hidden\n", 0o600)
	write("no id", "hidden-hidden-hidden-hidden-hidden\n", 0o600)
	write("no key", "1\n", 0o600)
	write("id 0", strings.Replace(key, "1", "0", 1), 0o600)
	write("id 256", strings.Replace(key, "1", "256", 1), 0o600)
	write("twice", key+key, 0o600)
	write("binary", "1 \x00\xff\n", 0o600)
	write("long line", "1 "+strings.Repeat("hidden", 12<<10)[:60<<10]+"\n", 0o600)
	if err := unix.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("good", path("link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"good": "", "read-only": "", "link": "",
		"group":     "has mode 0640, so that others can read or change it: it needs 0600",
		"world":     "needs 0600",
		"writable":  "needs 0600",
		"large":     "larger than 64 KiB",
		"pipe":      "no regular file",
		".":         "no regular file",
		"none":      "no such file",
		"empty":     "no key",
		"comment":   "no key",
		"short":     "key 1 has 6 bytes: must have 32-64",
		"digits":    "line 2: key 2 is not an even number of hexadecimal digits",
		"no id":     "line 1: does not begin with an id from 1 to 255",
		"no key":    "key 1 has 0 bytes",
		"id 0":      "does not begin with an id",
		"id 256":    "does not begin with an id",
		"twice":     "key 1 is there twice",
		"binary":    "key 1 has 2 bytes",
		"long line": "key 1 has 61440 bytes",
	} {
		keys, err := config.ReadKeys(path(name))
		switch {
		case want == "" && (err != nil || len(keys) != 1):
			t.Errorf("%s: %v, %v; want a key", name, keys, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q in it", name, err, want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the message shows the key: %v", name, err)
		}
		_, err = config.Load(file(t, "virtual_routers:\n  - {vrid: 1, addresses: [198.51.100.100], auth: {keys_file: \""+path(name)+"\"}}\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Load: %v, want %q", name, err, want)
		}
	}
}

func TestKeysFromTheEnvironment(t *testing.T) {
	s := config.Sources{
		File:    filepath.Join(t.TempDir(), "none.yaml"),
		Environ: []string{"NGHA_VRID=7", "NGHA_VIP=198.51.100.100", "NGHA_AUTH_KEYS=2 " + strings.Repeat("b", 32) + "\n1 " + strings.Repeat("a", 32)},
		Flags:   []config.Flag{{Name: "auth-mode", Value: "receive-only"}, {Name: "auth-keys", Value: "no flag is a way to say it"}},
	}
	v := load(t, s).VirtualRouters[0]
	if len(v.Keys) != 2 || v.Keys[0].ID != 2 || v.Keys[1].ID != 1 || v.KeysFile != "" {
		t.Errorf("keys %v from %q, want 2 and 1 from the environment", v.Keys, v.KeysFile)
	}
	if v.VRRP.Auth == nil || v.VRRP.Auth.Mode.String() != "receive-only" || v.VRRP.Auth.Window.String() != "5s" {
		t.Errorf("auth %+v, want receive-only within 5s", v.VRRP.Auth)
	}
}

// A fault of YAML itself comes before anybody knows what the keys mean.
func TestSyntaxErrorsDoNotShowSecrets(t *testing.T) {
	for _, text := range []string{
		"virtual_routers:\n  - password: hidden: hidden\n",
		"virtual_routers:\n  - \"password\" : \"hidden\n",
		"virtual_routers:\n  - {vrid: 1, Password: hidden, x: [}\n",
		"virtual_routers:\n  - vrid: 1\n    password:\n\n\t    hidden\n",
		"virtual_routers:\n  - vrid: 1\n    password: |\n      hidden\n     @hidden: [\n",
		"virtual_routers:\n  - auth:\n      keys: |\n        1 hidden\n        2 {hidden\n   x\n",
	} {
		_, err := config.Load(file(t, text))
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("Load of %q: %v", text, err)
		}
	}
}
