package nginxctl

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/nginxctl/nginxtest"
)

func TestRewrite(t *testing.T) {
	m := mirror{root: "/copy", copied: map[string]bool{
		"/etc/nginx/a": true, "/etc/nginx/../b": true, "/etc/nginx/c.pem": true, "/x y": true, "/js/h.js": true,
	}}
	b := bases{Conf: "/etc/nginx", Prefix: "/usr", Work: "/"}
	for _, c := range []struct{ text, want string }{
		{"include a;", `include "/copy/etc/nginx/a";`},
		{"include\t'a'  ;# include a;", "include\t\"/copy/etc/nginx/a\"  ;# include a;"},
		{"include ../b;", `include "/copy/etc/b";`},
		{`include "/x y";`, `include "/copy/x y";`},
		{"include conf.d/*.conf;", `include "/copy/etc/nginx/conf.d/*.conf";`},
		{`include 'it"s/*';`, `include "/copy/etc/nginx/it\"s/*";`},
		{`include it\\s/*;`, `include "/copy/etc/nginx/it\\s/*";`},
		{"include /dev/null;", `include "/dev/null";`},
		{"map $a $b { include a; ssl_crl c.pem; }", `map $a $b { include "/copy/etc/nginx/a"; ssl_crl c.pem; }`},
		{"server{ssl_certificate c.pem;}", `server{ssl_certificate "/copy/etc/nginx/c.pem";}`},
		{"ssl_certificate other.pem;", `ssl_certificate "/etc/nginx/other.pem";`},
		{"ssl_certificate c/$n.pem;", `ssl_certificate "/etc/nginx/c/$n.pem";`},
		{"ssl_certificate $n;", "ssl_certificate $n;"},
		{"auth_basic_user_file users;", `auth_basic_user_file "/etc/nginx/users";`},
		{"load_module modules/x.so; content_by_lua_file x.lua;", "load_module modules/x.so; content_by_lua_file x.lua;"},
		{"js_path js; js_import h.js; js_import /js/h.js;", `js_path "/copy/etc/nginx/js"; js_import h.js; js_import "/copy/js/h.js";`},
		{"pid run/x; error_log log; root html; access_log log;", "pid run/x; error_log log; root html; access_log log;"},
		{`return 200 "include a;"; add_header include a;`, `return 200 "include a;"; add_header include a;`},
		{"init_by_lua_block { include a; }\r\ninclude a;\r\n", "init_by_lua_block { include a; }\r\ninclude \"/copy/etc/nginx/a\";\r\n"},
		{"", ""},
	} {
		if got := m.rewrite(c.text, b); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// certificate makes a certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// answerOf sends a request over a unix socket and returns the answer and its body.
func answerOf(t *testing.T, socket, url string) (*http.Response, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(testContext(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("u", "p")
	answer, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// keptSite is a real configuration in many files, and its copy.
type keptSite struct {
	site
	n      Nginx
	set    FileSet
	loaded Snapshot
	kept   *LastGood
}

func newKeptSite(t *testing.T) *keptSite {
	t.Helper()
	nginxtest.Require(t)
	s := newSite(t)
	s.must(os.Chmod(filepath.Dir(s.dir), 0o755)) // workers pass through to what is read for each request
	s.must(os.Chmod(s.dir, 0o755))
	writeTree(s)
	n, _ := testNginx(t, []string{"nginx", "-p", s.dir, "-c", "etc/nginx.conf", "-g", "daemon off;"})
	k := &keptSite{site: s, n: n}
	k.reread()
	k.kept = k.open()
	s.must(k.kept.Save(testContext(t), k.n, k.set, k.loaded))
	return k
}

func (k *keptSite) reread() {
	k.t.Helper()
	d, err := k.n.Dump(testContext(k.t))
	k.must(err)
	k.set, err = d.FileSet()
	k.must(err)
	k.loaded = k.hash(k.set)
}

func (k *keptSite) open() *LastGood {
	k.t.Helper()
	l, err := OpenLastGood(k.path("state"), nil)
	k.must(err)
	return l
}

// answers asks the nginx of the copy.
func (k *keptSite) answers(l *LastGood) {
	k.t.Helper()
	n, ok := l.Nginx(k.n)
	if !ok {
		k.t.Fatal("there is no copy")
	}
	m := start(k.t, n)
	k.must(m.Ready(testContext(k.t)))
	answer, body := answerOf(k.t, k.path("http.sock"), "http://localhost/")
	if body != "from a map\n" || answer.Header.Get("X-Node") != "original" {
		k.t.Errorf("http: %q, X-Node %q", body, answer.Header.Get("X-Node"))
	}
	if _, body := answerOf(k.t, k.path("tls.sock"), "https://localhost/"); body != "tls" {
		k.t.Errorf("https: %q", body)
	}
	if _, err := os.Stat(k.path("run.pid")); err != nil {
		k.t.Errorf("pid file: %v", err)
	}
	k.must(m.Stop(testContext(k.t), StopOptions{}))
}

func TestCopyServesWhenTheOriginalsAreGone(t *testing.T) {
	k := newKeptSite(t)
	for _, name := range []string{"etc", "odd", "shared", "keys"} {
		k.remove(name)
	}
	k.answers(k.kept)
}

func TestCopyLeavesAloneWhatIsReadForEachRequest(t *testing.T) {
	k := newKeptSite(t)
	k.write("etc/nginx.conf", "broken")
	n, _ := k.kept.Nginx(k.n)
	m := start(t, n)
	k.must(m.Ready(testContext(t)))
	if answer, _ := answerOf(t, k.path("http.sock"), "http://localhost/private"); answer.StatusCode != http.StatusOK {
		t.Errorf("with the password: %s", answer.Status)
	}
	k.write("etc/users", "u:{PLAIN}changed\n")
	if answer, _ := answerOf(t, k.path("http.sock"), "http://localhost/private"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a password that holds no more: %s", answer.Status)
	}
}

func TestCopyIsFoundAgain(t *testing.T) {
	k := newKeptSite(t)
	k.write("etc/sites/a.conf", "broken")
	l := k.open()
	if l.Digest() != k.loaded.Digest() {
		t.Errorf("digest %s, want %s", l.Digest(), k.loaded.Digest())
	}
	set, held := l.Originals()
	if diff := cmp.Diff([]string{k.path("etc/sites/a.conf")}, changed(held, k.hash(set))); diff != "" {
		t.Errorf("changed since (-want +got):\n%s", diff)
	}
	k.answers(l)
}

func TestCopyIsPrivate(t *testing.T) {
	k := newKeptSite(t)
	k.must(filepath.WalkDir(k.path("state"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return err
	}))
	k.must(os.Chmod(k.path("state"), 0o777))
	if _, err := OpenLastGood(k.path("state"), nil); err == nil {
		t.Error("a state directory that anybody may write to is taken")
	}
}

func TestDamagedCopyIsNotUsed(t *testing.T) {
	damages := map[string]func(k *keptSite, root string){
		"text changed": func(k *keptSite, root string) {
			k.must(os.WriteFile(mirror{root: root}.of(k.path("etc/mime.types")), []byte("types { text/html htm; }"), 0o600))
		},
		"file added": func(k *keptSite, root string) {
			k.must(os.WriteFile(mirror{root: root}.of(k.path("etc/sites/z.conf")), nil, 0o600))
		},
		"file gone":       func(k *keptSite, root string) { k.must(os.Remove(mirror{root: root}.of(k.path("keys/key.pem")))) },
		"all gone":        func(k *keptSite, root string) { k.must(os.RemoveAll(root)) },
		"half a manifest": func(k *keptSite, _ string) { k.must(os.Truncate(k.path("state/"+keptName), 40)) },
		"moved": func(k *keptSite, _ string) {
			k.rename("state", "state.old")
			k.link("state.old", "state.link")
			k.must(os.CopyFS(k.path("state"), os.DirFS(k.path("state.old"))))
			text, err := os.ReadFile(k.path("state/" + keptName))
			k.must(err)
			k.write("state/"+keptName, strings.ReplaceAll(string(text), k.path("state")+"/", k.path("elsewhere")+"/"))
			k.must(os.Chmod(k.path("state"), 0o700))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			k := newKeptSite(t)
			damage(k, k.kept.kept.Load().Root)
			l := k.open()
			if _, ok := l.Nginx(k.n); ok || l.Digest() != (Digest{}) {
				t.Errorf("the copy is used")
			}
			left, err := filepath.Glob(k.path("state/" + keptFiles + "*"))
			k.must(err)
			if len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
			k.must(l.Save(testContext(t), k.n, k.set, k.loaded))
			if l.Digest() != k.loaded.Digest() {
				t.Error("saved anew, it has another digest")
			}
		})
	}
}

func TestSaveThatFailsKeepsTheCopyBefore(t *testing.T) {
	for name, save := range map[string]func(k *keptSite) error{
		"changed since": func(k *keptSite) error {
			k.write("etc/sites/c.conf", "# new")
			k.reread()
			k.write("etc/sites/c.conf", "# newer")
			err := k.kept.Save(testContext(k.t), k.n, k.set, k.loaded)
			e, ok := errors.AsType[*ChangedError](err)
			if !ok {
				k.t.Fatalf("Save: %v", err)
			}
			if diff := cmp.Diff([]string{k.path("etc/sites/c.conf")}, e.Paths); diff != "" {
				k.t.Errorf("changed (-want +got):\n%s", diff)
			}
			return err
		},
		"refused by nginx": func(k *keptSite) error {
			k.write("etc/sites/c.conf", "# new")
			k.reread()
			n := k.n
			n.Command = append(n.Command, "-g", "no_such_directive;")
			err := k.kept.Save(testContext(k.t), n, k.set, k.loaded)
			if _, ok := errors.AsType[*TestError](err); !ok {
				k.t.Fatalf("Save: %v", err)
			}
			return err
		},
		"read in part": func(k *keptSite) error {
			k.write("etc/unread.conf", "")
			k.set.files[k.path("etc/unread.conf")] = roleConfiguration
			k.loaded = k.hash(k.set)
			return k.kept.Save(testContext(k.t), k.n, k.set, k.loaded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeptSite(t)
			before := k.kept.Digest()
			if err := save(k); err == nil {
				t.Fatal("Save went well")
			}
			if k.kept.Digest() != before || k.open().Digest() != before {
				t.Error("the copy before is not kept")
			}
			left, err := filepath.Glob(k.path("state/" + keptFiles + "*"))
			k.must(err)
			if len(left) != 1 {
				t.Errorf("copies: %v", left)
			}
			for _, name := range []string{"etc", "odd", "shared", "keys"} {
				k.remove(name)
			}
			k.answers(k.kept)
		})
	}
}

func TestSaveReplacesTheCopy(t *testing.T) {
	k := newKeptSite(t)
	root := k.kept.kept.Load().Root
	k.must(k.kept.Save(testContext(t), k.n, k.set, k.loaded))
	if k.kept.kept.Load().Root != root {
		t.Error("the same once more was copied anew")
	}
	k.write("etc/maps/one", "/ 'from a new map';\n")
	k.reread()
	k.must(k.kept.Save(testContext(t), k.n, k.set, k.loaded))
	if k.kept.Digest() != k.loaded.Digest() {
		t.Error("the copy is not of the new files")
	}
	copies, err := filepath.Glob(k.path("state/" + keptFiles + "*"))
	k.must(err)
	if len(copies) != 1 || copies[0] == root {
		t.Errorf("copies: %v; the first was %s", copies, root)
	}
}

func TestCommandForTheCopy(t *testing.T) {
	for _, c := range []struct{ command, want []string }{
		{nil, []string{"nginx", "-c", "/copy"}},
		{[]string{"nginx", "-g", "daemon off;"}, []string{"nginx", "-g", "daemon off;", "-c", "/copy"}},
		{[]string{"/entrypoint.sh", "nginx", "-c", "x", "-p/y"}, []string{"nginx", "-c", "/copy", "-p/y"}},
		{[]string{"nginx", "-cx"}, []string{"nginx", "-c/copy"}},
		{[]string{"/run-it"}, []string{"nginx", "-c", "/copy"}},
	} {
		before := strings.Join(c.command, " ")
		got := Nginx{Command: c.command}.withConf("/copy").Command
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.command, diff)
		}
		if strings.Join(c.command, " ") != before {
			t.Errorf("the command itself was changed: %v", c.command)
		}
	}
}
