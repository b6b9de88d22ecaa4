package nginxctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/nginxctl/nginxtest"
)

func TestCommandIsTakenApartAtNginx(t *testing.T) {
	for _, c := range []struct {
		words  string
		direct string // what Direct makes of it
		start  string // how it is started where the configuration has no daemon directive
	}{
		{"nginx", "nginx", "nginx|-g|daemon off;"},
		{"nginx|-g|daemon off;", "nginx|-g|daemon off;", "nginx|-g|daemon off; "},
		{"/usr/sbin/nginx-debug|-c|/x", "/usr/sbin/nginx-debug|-c|/x", "/usr/sbin/nginx-debug|-c|/x|-g|daemon off;"},
		{"/docker-entrypoint.sh|nginx|-g|daemon off;", "nginx|-g|daemon off;", "/docker-entrypoint.sh|nginx|-g|daemon off; "},
		{"nginx|-qgpid /x;|-p|/y", "nginx|-qgpid /x;|-p|/y", "nginx|-qgdaemon off; pid /x;|-p|/y"},
		{"nginx|-g|pid /x; daemon 'off' ; user u;", "nginx|-g|pid /x; daemon 'off' ; user u;", "nginx|-g|daemon off; pid /x;  user u;"},
		{"nginx|-p|-g|-c|/x", "nginx|-p|-g|-c|/x", "nginx|-p|-g|-c|/x|-g|daemon off;"},
		{"sh|-c|exec nginx", "sh|-c|exec nginx", "sh|-c|exec nginx"},
	} {
		words := strings.Split(c.words, "|")
		if got := strings.Join(Nginx{Command: words}.Direct().Command, "|"); got != c.direct {
			t.Errorf("Direct of %q: %q, want %q", c.words, got, c.direct)
		}
		if got := strings.Join(splitCommand(words).withoutDaemon().foreground().words(), "|"); strings.TrimSpace(got) != strings.TrimSpace(c.start) {
			t.Errorf("start of %q: %q, want %q", c.words, got, c.start)
		}
		if strings.Join(words, "|") != c.words {
			t.Errorf("%q was changed into %q", c.words, words)
		}
	}
}

func TestCommandThatServesIsTold(t *testing.T) {
	for words, want := range map[string]bool{
		"nginx":                            true,
		"nginx|-g|daemon off;":             true,
		"nginx-debug|-gdaemon off;":        true,
		"/usr/sbin/nginx|-q|-c|/etc/x":     true,
		"openresty|-p|/srv|-g|daemon off;": true,
		"nginx|-c|-t":                      true, // the file's name
		"nginx|-gpid /x;|-qe|stderr":       true,
		"nginx|-t":                         false,
		"nginx|-qt":                        false,
		"nginx|-T":                         false,
		"nginx|-v":                         false,
		"nginx|-V":                         false,
		"nginx|-h":                         false,
		"nginx|-?":                         false,
		"nginx|-s|reload":                  false,
		"nginx|-sreload":                   false,
		"nginx|-g|daemon off;|-t":          false,
		"nginx|-g|daemon off;|-tc|/etc/x":  false,
		"nginx|--help":                     false,
		"nginx|-g":                         false,
		"nginx|reload":                     false,
		"nginx-prometheus-exporter":        false,
		"sh|-c|nginx":                      false,
		"/docker-entrypoint.sh|nginx":      false,
		"":                                 false,
	} {
		if got := Serves(strings.Split(words, "|")); got != want {
			t.Errorf("Serves(%q) = %t, want %t", words, got, want)
		}
	}
	if Serves(nil) {
		t.Error("no command serves")
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nginx")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ command, want string }{
		{"/no/such/nginx", "install nginx, or say where it is: ngha run -- /path/to/nginx"},
		{file, "may not be executed"},
		{"/no/entrypoint.sh", "/no/entrypoint.sh not found"},
	} {
		err := Nginx{Command: []string{c.command}}.Find()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Find %s: %v, want %q", c.command, err, c.want)
		}
	}
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (Nginx{Command: []string{"sh", "-c", "x", file}}).Find(); err != nil {
		t.Errorf("Find: %v", err)
	}
}

// The default command says `daemon off` and so may the configuration.
func TestDaemonDirectiveSaidTwiceIsNoFault(t *testing.T) {
	nginxtest.Require(t)
	for _, c := range []struct {
		name, main string
		globals    []string
	}{
		{"neither", "", nil},
		{"configuration", "daemon off;", nil},
		{"command", "", []string{"-g", "daemon off;"}},
		{"both", "daemon off;", []string{"-g", "daemon off;"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := nginxtest.NewSite(t, nginxtest.Config{Main: c.main})
			n, _ := testNginx(t, append([]string{"nginx", "-p", s.Dir, "-c", s.Conf}, c.globals...))
			if err := n.Test(testContext(t)); err != nil {
				t.Error(err)
			}
			m := start(t, n)
			if err := m.Ready(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNginxThatNobodyCanWatchIsRefused(t *testing.T) {
	nginxtest.Require(t)
	for _, c := range []struct{ main, globals, want string }{
		{"daemon on;", "", "nginx.conf:4: `daemon on`"},
		{"master_process off;", "", "nginx.conf:4: `master_process off`"},
		{"", "daemon on;", "-g says `daemon on`"},
	} {
		s := nginxtest.NewSite(t, nginxtest.Config{Main: c.main})
		n, _ := testNginx(t, []string{"nginx", "-p", s.Dir, "-c", s.Conf, "-g", c.globals})
		if m, err := n.Start(testContext(t)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Start with %q and -g %q: %v, %v, want %q", c.main, c.globals, m, err, c.want)
		}
	}
}

func TestWrapperPreparesTheConfigurationOnce(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{})
	script := filepath.Join(s.Dir, "entrypoint.sh")
	text := "#!/bin/sh\necho prepared >>" + s.Dir + "/runs\n[ -e " + s.Conf + " ] || mv " + s.Conf + ".tmpl " + s.Conf + "\nexec \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.Conf, s.Conf+".tmpl"); err != nil {
		t.Fatal(err)
	}
	n, output := testNginx(t, append([]string{script}, s.Command()...))
	if err := n.Test(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(output); err != nil || !strings.Contains(string(b), "syntax is ok") {
		t.Errorf("shown of the wrapper's test: %q, %v", b, err)
	}
	n = n.Direct()
	if err := n.Test(testContext(t)); err != nil {
		t.Fatal(err)
	}
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	runs, err := os.ReadFile(filepath.Join(s.Dir, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("prepared\n", string(runs)); diff != "" {
		t.Errorf("runs of the wrapper (-want +got):\n%s", diff)
	}
}

func TestStartThroughAWrapperThatExecs(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{})
	for _, command := range [][]string{
		append([]string{"env", "A=1"}, s.Command()...),
		{"sh", "-c", "exec nginx -p " + s.Dir + " -c " + s.Conf + " -g 'daemon off;'"},
	} {
		n, _ := testNginx(t, command)
		if err := n.Test(testContext(t)); err != nil {
			t.Error(err)
		}
		m := start(t, n)
		if err := m.Ready(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if err := m.Stop(testContext(t), StopOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
