package nginxctl

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What comes after the difficult part is found only if that was understood.
func TestParseFindsWhatFollows(t *testing.T) {
	for name, text := range map[string]string{
		"lua brace in string":       `location /a { content_by_lua_block { ngx.say("}") } }`,
		"lua escaped quote":         `location /a { content_by_lua_block { ngx.say("\"}") } }`,
		"lua apostrophe in comment": "location /a { content_by_lua_block { -- don't }\n ngx.say('x') } }",
		"lua long comment":          "location /a { content_by_lua_block { --[==[ ' } ]] \n]==] ngx.say(1) } }",
		"lua long string":           `location /a { content_by_lua_block { ngx.say([[ } ' ]]) local t = a[b[1]] - {} } }`,
		"lua table":                 `location /a { content_by_lua_block { local t = {a = {}} } }`,
		"lua after a line end":      "location /a { content_by_lua_block\n{ return }\n}",
		"lua with a variable":       `set_by_lua_block $x { return 1 }`,
		"lua name as an argument":   `server_name content_by_lua_block;`,
		"braces in quotes":          `location ~ "^/a{1,2}$" { return 200 '{"a":1}'; }`,
		"semicolon in quotes":       `if ($x ~ ';}') { return 404; }`,
		"variable in braces":        `add_header x ${y}z;`,
		"escapes":                   `add_header x a\ b\;c;`,
		"quoted quote":              `add_header x 'it\'s } "';`,
		"comment":                   "# don't { ;\nlisten 80; # } '",
	} {
		t.Run(name, func(t *testing.T) {
			list := parse("f", text+"\nmarker one two;\n")
			if diff := cmp.Diff([]string{"one", "two"}, first(list, "marker")); diff != "" {
				t.Errorf("marker after %s (-want +got):\n%s", text, diff)
			}
		})
	}
}

func TestParseKeepsNamesArgumentsAndLines(t *testing.T) {
	got := parse("f", "a 1 '2 3';\nb {\n  c;\n}\n")
	want := []directive{
		{file: "f", line: 1, name: "a", args: []string{"1", "2 3"}},
		{file: "f", line: 2, name: "b", args: []string{}, block: []directive{
			{file: "f", line: 3, name: "c", args: []string{}},
		}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(directive{})); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
}

func TestParseKeepsWhatCameBeforeAFault(t *testing.T) {
	list := parse("f", "marker here; http { } } junk")
	if diff := cmp.Diff([]string{"here"}, first(list, "marker")); diff != "" {
		t.Errorf("marker (-want +got):\n%s", diff)
	}
}

func TestIncludesArePutInTheirPlace(t *testing.T) {
	files := []File{
		{"/etc/nginx/nginx.conf", "a; include conf.d/*.conf; include /opt/one.conf; z;"},
		{"/etc/nginx/conf.d/2.conf", "two;"},
		{"/etc/nginx/conf.d/1.conf", "one { include parts/p; }"},
		{"/etc/nginx/parts/p", "part;"},
		{"/etc/nginx/conf.d/sub/3.conf", "never;"},
		{"/opt/one.conf", "opt;"},
	}
	var names []string
	each(expand(files), func(d directive) { names = append(names, d.name) })
	if diff := cmp.Diff([]string{"a", "one", "part", "two", "opt", "z"}, names); diff != "" {
		t.Errorf("directives (-want +got):\n%s", diff)
	}
}

func TestIncludeOfItselfEnds(t *testing.T) {
	var names []string
	each(expand([]File{{"/etc/n.conf", "a; include *.conf; b;"}}), func(d directive) { names = append(names, d.name) })
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
		t.Errorf("directives (-want +got):\n%s", diff)
	}
}
