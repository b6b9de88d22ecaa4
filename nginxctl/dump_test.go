package nginxctl

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/nginxctl/nginxtest"
)

func TestDumpHasEveryFileOfTheConfiguration(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{HTTP: "include parts/*.conf;"})
	if err := os.Mkdir(filepath.Join(s.Dir, "parts"), 0o755); err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{
		filepath.Join(s.Dir, "parts/a.conf"): "map $uri $x { include parts/map; }",
		filepath.Join(s.Dir, "parts/b.conf"): "# no line end, and a status location\nserver { listen unix:" + s.Dir + "/b.sock; location = /b { stub_status; } }",
		filepath.Join(s.Dir, "parts/map"):    "/one two;\n\n",
	}
	for path, text := range parts {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	main, err := os.ReadFile(s.Conf)
	if err != nil {
		t.Fatal(err)
	}
	parts[s.Conf] = string(main)

	n, _ := testNginx(t, s.Command())
	d, err := n.Dump(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, f := range d.Files {
		got[f.Path] = f.Text
	}
	if diff := cmp.Diff(parts, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if d.Files[0].Path != s.Conf {
		t.Errorf("first file %s, want the main one", d.Files[0].Path)
	}
	if d.PIDFile() != s.PID {
		t.Errorf("PIDFile() = %s, want %s", d.PIDFile(), s.PID)
	}
	if diff := cmp.Diff([]string{s.Log}, d.ErrorLogs()); diff != "" {
		t.Errorf("ErrorLogs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{s.Dir + "/b.sock", s.Socket}, d.UnixListens()); diff != "" {
		t.Errorf("UnixListens (-want +got):\n%s", diff)
	}
}

func TestSettingsComeFromConfigurationThenCommandThenBuild(t *testing.T) {
	build := buildOptions("nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --pid-path=/run/nginx.pid --error-log-path=stderr --with-threads")
	for _, c := range []struct {
		name, text, globals, prefix string
		pid                         string
		logs                        []string
	}{
		{name: "build", pid: "/run/nginx.pid"},
		{name: "configuration", text: "pid /a; error_log /b warn; error_log syslog:server=x; error_log /c;", pid: "/a", logs: []string{"/b", "/c"}},
		{name: "relative", text: "pid logs/p; error_log logs/e;", pid: "/usr/share/nginx/logs/p", logs: []string{"/usr/share/nginx/logs/e"}},
		{name: "prefix", text: "pid logs/p; error_log logs/e;", prefix: "/srv/", pid: "/srv/logs/p", logs: []string{"/srv/logs/e"}},
		{name: "command", globals: "pid /g; error_log stderr;", pid: "/g"},
		{name: "not the main context", text: "http { error_log /x; }", pid: "/run/nginx.pid"},
	} {
		d := newDump([]File{{"/etc/nginx/nginx.conf", c.text}}, c.globals, c.prefix, build)
		if got := d.PIDFile(); got != c.pid {
			t.Errorf("%s: PIDFile() = %q, want %q", c.name, got, c.pid)
		}
		if diff := cmp.Diff(c.logs, d.ErrorLogs()); diff != "" {
			t.Errorf("%s: ErrorLogs (-want +got):\n%s", c.name, diff)
		}
	}
}
