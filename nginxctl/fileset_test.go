package nginxctl

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

func TestScanReadsAsNginxDoes(t *testing.T) {
	for _, c := range []struct {
		text string
		want [][]string
	}{
		{"a b;", [][]string{{"a", "b"}}},
		{"a { b c; }d;", [][]string{{"a"}, {"b", "c"}, {"d"}}},
		{`a "b c" 'd;e' f\ g;`, [][]string{{"a", "b c", "d;e", `f\ g`}}},
		{`a "q\"q" '\'' "\\" "\t" "\x";`, [][]string{{"a", `q"q`, `'`, `\`, "\t", `\x`}}},
		{`a b"c'd#e}f$;`, [][]string{{"a", `b"c'd#e}f$`}}},
		{"a ${b}c $d{ e; }", [][]string{{"a", "${b}c", "$d"}, {"e"}}},
		{"a ${b}c; # comment; x {\n b;", [][]string{{"a", "${b}c"}, {"b"}}},
		{`if ($x ~ "^a") { b; }`, [][]string{{"if", "($x", "~", "^a", ")"}, {"b"}}},
		{"a;} b;", [][]string{{"a"}}},
		{"a b", nil},
		{`a "b"c;`, nil},
		{"a; b }", [][]string{{"a"}}},
		{"content_by_lua_block { x = \"}\" -- don't } \n y = [[ } ]] } include b;", [][]string{{"content_by_lua_block"}, {"include", "b"}}},
		{"a\r\nb\t;\r\n", [][]string{{"a", "b"}}},
		{`a \`, nil},
		{`a "\`, nil},
	} {
		var got [][]string
		scan(c.text, func(s statement) { got = append(got, s.texts()) })
		if diff := cmp.Diff(c.want, got); diff != "" && len(c.want)+len(got) > 0 {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("include \"a b\" ; x { ssl_certificate a\\ b; }")
	f.Add("set_by_lua_block $x { return [==[ } ]==] }")
	f.Add("map $a $b { include x*; '${' \"\\\\\"; }")
	f.Fuzz(func(t *testing.T, text string) {
		m := mirror{root: "/copy", copied: map[string]bool{"/etc/a": true}}
		b := bases{Conf: "/etc", Prefix: "/usr", Work: "/"}
		var before, after [][]string
		end := 0
		scan(text, func(s statement) {
			for _, w := range s.words {
				if w.start < end || w.end <= w.start || w.end > len(text) {
					t.Fatalf("word %+v after %d", w, end)
				}
				end = w.end
			}
			words := s.texts()
			if _, ok := b.reference(s); ok {
				words = words[:1] // may be rewritten
			}
			before = append(before, words)
		})
		scan(m.rewrite(text, b), func(s statement) {
			words := s.texts()
			if _, ok := b.reference(s); ok {
				words = words[:1]
			}
			after = append(after, words)
		})
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("rewriting changed more than names (-before +after):\n%s", diff)
		}
	})
}

func TestFilesThatDirectivesName(t *testing.T) {
	b := bases{Conf: "/etc/nginx", Prefix: "/usr/share/nginx", Work: "/"}
	for text, want := range map[string]reference{
		"include conf.d/*.conf;":                          {1, "/etc/nginx/conf.d/*.conf", refInclude},
		"include /a/b;":                                   {1, "/a/b", refInclude},
		"include ../x;":                                   {1, "/etc/nginx/../x", refInclude},
		"ssl_certificate a.pem;":                          {1, "/etc/nginx/a.pem", refContent},
		"proxy_ssl_certificate_key a.pem;":                {1, "/etc/nginx/a.pem", refContent},
		"grpc_ssl_trusted_certificate a.pem;":             {1, "/etc/nginx/a.pem", refContent},
		"uwsgi_ssl_crl a.pem;":                            {1, "/etc/nginx/a.pem", refContent},
		"ssl_session_ticket_key a.key;":                   {1, "/etc/nginx/a.key", refContent},
		"ssl_conf_command DHParameters dh.pem;":           {2, "/etc/nginx/dh.pem", refContent},
		"ssl_conf_command Ciphersuites X;":                {},
		"ssl_certificate_key engine:e:k;":                 {},
		"ssl_certificate data:$x;":                        {},
		"ssl_certificate $x;":                             {},
		"ssl_certificate certs/$x.pem;":                   {1, "/etc/nginx/certs/$x.pem", refLater},
		"ssl_certificate /certs/$x.pem;":                  {1, "/certs/$x.pem", refLater},
		"ssl_certificate_cache max=1;":                    {},
		"ssl_protocols TLSv1.3;":                          {},
		"auth_basic_user_file users;":                     {1, "/etc/nginx/users", refLater},
		"load_module modules/x.so;":                       {1, "/usr/share/nginx/modules/x.so", refProgram},
		"geoip_country geo.dat utf8;":                     {1, "//geo.dat", refContent},
		"xslt_stylesheet a.xslt p=1;":                     {1, "/usr/share/nginx/a.xslt", refProgram},
		"content_by_lua_file a.lua;":                      {1, "/usr/share/nginx/a.lua", refProgram},
		"content_by_lua_file lua/$x.lua;":                 {},
		"set_by_lua_file $x a.lua $y;":                    {2, "/usr/share/nginx/a.lua", refProgram},
		"js_import http.js;":                              {1, "http.js", refScript},
		"js_import main from http.js;":                    {3, "http.js", refScript},
		"js_path js;":                                     {1, "/etc/nginx/js", refScriptDir},
		"map $a $b { include m; }":                        {1, "/etc/nginx/m", refInclude},
		"map $a $b { ssl_certificate x; }":                {},
		"map $a $b { x y; } server { ssl_crl x; }":        {1, "/etc/nginx/x", refContent},
		"access_log a; error_log b; root c; pid d;":       {},
		"proxy_cache_path d keys_zone=z:1m; ssl_crl;":     {},
		`types { include "mime types"; a/b include; }`:    {1, "/etc/nginx/mime types", refInclude},
		"http { geo $a { include g; default 0; } }":       {1, "/etc/nginx/g", refInclude},
		"server { if ($a) { include x; } }":               {1, "/etc/nginx/x", refInclude},
		"content_by_lua_block { include x; } # include y": {},
	} {
		var got reference
		scan(text, func(s statement) {
			if r, ok := b.reference(s); ok {
				got = r
			}
		})
		if got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestGlobMatchesAsGlibcDoes(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"d/a.conf", "d/b.conf", "d/.c.conf", "d/x", "e/a.conf", ".f/a.conf"} {
		s.write(name, "")
	}
	s.link("nowhere", "d/dangling.conf")
	for pattern, want := range map[string]string{
		"d/*.conf":   "d/a.conf d/b.conf d/dangling.conf",
		"*/a.conf":   "d/a.conf e/a.conf",
		"d/[!a].*":   "d/b.conf",
		"d/?":        "d/x",
		"d/.*.conf":  "d/.c.conf",
		"?/./[ab].*": "d/./a.conf d/./b.conf e/./a.conf",
		"none/*":     "",
		"d/x/*":      "",
	} {
		paths, err := glob(s.dir + "/" + pattern)
		s.must(err)
		got := strings.ReplaceAll(strings.Join(paths, " "), s.dir+"/", "")
		if got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// writeTree writes a configuration for the real nginx in many files, and returns
// the files that it is read from.
func writeTree(s site) []string {
	cert, key := certificate(s.t)
	s.write("etc/nginx.conf", `
worker_processes 1; pid run.pid; error_log error.log;
events {}
http {
  include mime.types; # include nothing.conf;
  access_log off;
  client_body_temp_path body; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  map $uri $x { include "maps/one"; default "include x;"; }
  include sites/[a-z]*.conf; include 'nothing/*.conf';
  include ../common/common.conf;
}
`)
	s.write("etc/mime.types", "types { text/html html; }")
	s.write("etc/maps/one", "/ 'from a map';\n")
	s.write("etc/sites/a.conf", `server { listen unix:`+s.path("http.sock")+`; include "`+s.path("odd/a \\\"b\\\";.conf")+`"; location / { return 200 "$x\n"; } location /private { auth_basic x; auth_basic_user_file users; root files; } }`)
	s.write("etc/sites/b.conf", "server { listen unix:"+s.path("tls.sock")+" ssl;\n ssl_certificate tls/cert.pem;\n ssl_certificate_key\n\""+s.path("keys/key.pem")+"\"; add_header X-Site tls always; return 200 tls; }")
	s.write("etc/sites/.hidden.conf", "no such directive;")
	s.write("odd/a \"b\";.conf", "add_header X-Node original always;")
	s.write("common/common.conf", "server_tokens off;")
	s.write("etc/tls/cert.pem", cert)
	s.write("keys/key.pem", key)
	s.write("files/private", "ok")
	s.write("etc/users", "u:{PLAIN}p\n")
	var paths []string
	for _, name := range []string{
		"etc/nginx.conf", "etc/mime.types", "etc/maps/one", "etc/sites/a.conf", "etc/sites/b.conf",
		"odd/a \"b\";.conf", "etc/tls/cert.pem", "keys/key.pem",
	} {
		paths = append(paths, s.path(name))
	}
	paths = append(paths, s.dir+"/etc/../common/common.conf")
	slices.Sort(paths)
	return paths
}

func TestFileSetOfARealConfiguration(t *testing.T) {
	nginxtest.Require(t)
	s := newSite(t)
	want := writeTree(s)
	n, _ := testNginx(t, []string{"nginx", "-p", s.dir, "-c", "etc/nginx.conf"})
	d, err := n.Dump(testContext(t))
	s.must(err)
	set, err := d.FileSet()
	s.must(err)
	paths, err := set.Paths()
	s.must(err)
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("files of the dump (-want +got):\n%s", diff)
	}

	// The same without nginx's help, and when nginx refuses it.
	walked, err := n.FileSet(testContext(t))
	s.must(err)
	if diff := cmp.Diff(paths, slices.Sorted(maps.Keys(s.hash(walked).sums))); diff != "" {
		t.Errorf("files found by walking (-dump +walked):\n%s", diff)
	}
	s.write("etc/mime.types", "no such directive")
	walked, err = n.FileSet(testContext(t))
	s.must(err)
	if diff := cmp.Diff(paths, slices.Sorted(maps.Keys(s.hash(walked).sums))); diff != "" {
		t.Errorf("files of a broken configuration (-want +got):\n%s", diff)
	}
}

func TestScriptsAreFollowed(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", "http { js_path js; js_import http.js; js_import m from sub/m.js; }")
	s.write("js/http.js", "import a from './a.js';\nimport fs from 'fs'; export default {}")
	s.write("js/a.js", `import http from "../js/http.js"`)
	s.write("sub/m.js", "import {x as y} from 'a.js'")
	set := s.set()
	var found []string
	for path, sum := range s.hash(set).sums {
		if sum.Kind == fileRegular {
			found = append(found, strings.TrimPrefix(path, s.dir+"/"))
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff([]string{"js/a.js", "js/http.js", "nginx.conf", "sub/m.js"}, found); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestHashTellsContentsApart(t *testing.T) {
	s := newSite(t)
	s.write("nginx.conf", "include a; include b; include *.x;")
	s.write("a", "1")
	set := s.set()
	seen := make(map[Digest]string)
	note := func(what string) {
		d := s.hash(set).Digest()
		if before, ok := seen[d]; ok {
			t.Errorf("%s: the same digest as %s", what, before)
		}
		seen[d] = what
	}
	note("a=1")
	s.write("b", "")
	note("a=1, b empty")
	s.write("a", "")
	s.write("b", "1")
	note("a empty, b=1")
	s.write("c.x", "")
	note("c.x matches")
	s.remove("b")
	s.must(os.Mkdir(s.path("b"), 0o755))
	note("b is a folder")
	s.remove("c.x")
	s.must(unix.Mkfifo(s.path("c.x"), 0o644))
	note("c.x is a pipe that nobody writes to")
	if (Snapshot{}).Digest() != (Digest{}) {
		t.Error("the zero Snapshot has a digest")
	}
}
