package nginxctl

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/nginxctl/nginxtest"
)

func dumpOf(http string) *Dump {
	return newDump([]File{{"/etc/nginx/nginx.conf", "http {\n" + http + "\n}\n"}}, "", "", nil)
}

func TestStatusFindsTheEndpoint(t *testing.T) {
	const s = " location = /s { stub_status; } "
	for _, c := range []struct {
		name, http, url, host string
	}{
		{"loopback", "server { listen 127.0.0.1:8080;" + s + "}", "http://127.0.0.1:8080/s", "localhost"},
		{"loopback v6", "server { listen [::1]:8080;" + s + "}", "http://[::1]:8080/s", "localhost"},
		{"localhost", "server { listen localhost:8080;" + s + "}", "http://127.0.0.1:8080/s", "localhost"},
		{"port alone", "server { listen 8080;" + s + "}", "http://127.0.0.1:8080/s", "localhost"},
		{"address alone", "server { listen 127.0.0.1;" + s + "}", "http://127.0.0.1:80/s", "localhost"},
		{"star", "server { listen *:81;" + s + "}", "http://127.0.0.1:81/s", "localhost"},
		{"wildcard v6", "server { listen [::]:81;" + s + "}", "http://[::1]:81/s", "localhost"},
		{"unix", "server { listen unix:/run/x.sock;" + s + "}", "http://unix:/run/x.sock:/s", "localhost"},
		{"unix before loopback before wildcard", "server { listen 80; listen 127.0.0.1:81; listen unix:/x;" + s + "}", "http://unix:/x:/s", "localhost"},
		{"loopback before wildcard", "server { listen 80;" + s + "} server { listen 127.0.0.1:81; location = /t { stub_status; } }", "http://127.0.0.1:81/t", "localhost"},
		{"plain beside TLS", "server { listen 443 ssl; listen 80;" + s + "}", "http://127.0.0.1:80/s", "localhost"},
		{"loopback beside the network", "server { listen 198.51.100.7:80; listen 80;" + s + "}", "http://127.0.0.1:80/s", "localhost"},
		{"prefix location", "server { listen 81; location /a/b { stub_status on; } }", "http://127.0.0.1:81/a/b", "localhost"},
		{"preferred prefix", "server { listen 81; location ^~ /a { stub_status; } }", "http://127.0.0.1:81/a", "localhost"},
		{"fixed regex", `server { listen 81; location ~ ^/a\.b$ { stub_status; } }`, "http://127.0.0.1:81/a.b", "localhost"},
		{"nested", "server { listen 81; location /a { location = /a/s { stub_status; } } }", "http://127.0.0.1:81/a/s", "localhost"},
		{"whole server", "server { listen 81; stub_status; }", "http://127.0.0.1:81/", "localhost"},
		{"name of the default server", "server { listen 81; server_name _ a.example;" + s + "}", "http://127.0.0.1:81/s", "a.example"},
		{"name of another server", "server { listen 81; server_name a; } server { listen 81; server_name ~x b.example;" + s + "}", "http://127.0.0.1:81/s", "b.example"},
		{"default by name", "server { listen 81; server_name localhost; } server { listen 81 default_server;" + s + "}", "http://127.0.0.1:81/s", "ngha.invalid"},
		{"wildcard name", "server { listen 81; } server { listen 81; server_name *.example.com;" + s + "}", "http://127.0.0.1:81/s", "ngha.example.com"},
		{"dotted name", "server { listen 81; } server { listen 81; server_name .example.com;" + s + "}", "http://127.0.0.1:81/s", "example.com"},
		{"trailing wildcard name", "server { listen 81; } server { listen 81; server_name s.*;" + s + "}", "http://127.0.0.1:81/s", "s.invalid"},
		{"several servers, one usable", "server { listen 443 ssl;" + s + "} server { listen 81; location = /t { stub_status; } }", "http://127.0.0.1:81/t", "localhost"},
		{"allowed", "server { listen 81; location = /s { allow 127.0.0.0/8; deny all; stub_status; } }", "http://127.0.0.1:81/s", "localhost"},
		{"allowed over unix", "server { listen unix:/x; location = /s { allow unix:; deny all; stub_status; } }", "http://unix:/x:/s", "localhost"},
		{"denied over one", "server { listen unix:/x; listen 127.0.0.1:81; location = /s { allow 127.0.0.1; deny all; stub_status; } }", "http://127.0.0.1:81/s", "localhost"},
		{"open again", "auth_basic x; deny all; server { listen 81; location = /s { auth_basic off; allow all; stub_status; } }", "http://127.0.0.1:81/s", "localhost"},
		{"after lua", "server { listen 81; location /l { content_by_lua_block { -- it's } }\n ngx.say('}') } } " + s + "}", "http://127.0.0.1:81/s", "localhost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := dumpOf(c.http).Status()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Probe{URL: c.url, Host: c.host}, got); diff != "" {
				t.Errorf("probe (-want +got):\n%s", diff)
			}
			if _, err := ParseProbe(got.URL); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStatusSaysWhatIsInTheWay(t *testing.T) {
	const s = " location = /s { stub_status; } "
	for _, c := range []struct{ name, http, want string }{
		{"TLS", "server { listen 443 ssl;" + s + "}", "listen 0.0.0.0:443 wants TLS"},
		{"TLS said by another server", "server { listen 443 ssl; } server { listen 443; server_name b;" + s + "}", "wants TLS"},
		{"ssl on", "server { listen 443; ssl on;" + s + "}", "wants TLS"},
		{"QUIC", "server { listen 443 quic;" + s + "}", "wants QUIC"},
		{"PROXY protocol", "server { listen 80 proxy_protocol;" + s + "}", "wants the PROXY protocol"},
		{"network address", "server { listen 198.51.100.7:80;" + s + "}", "neither loopback nor a wildcard"},
		{"host name", "server { listen www.example:80;" + s + "}", "neither loopback nor a wildcard"},
		{"loopback of another server", "server { listen 80;" + s + "} server { listen 127.0.0.1:80; }", "another server listens on 127.0.0.1:80"},
		{"regex", "server { listen 80; location ~ ^/s[0-9]+$ { stub_status; } }", "no URI known"},
		{"named", "server { listen 80; location @s { stub_status; } }", "no URI known"},
		{"regex name", "server { listen 80; } server { listen 80; server_name ~^b;" + s + "}", "no Host header known"},
		{"name claimed before", "server { listen 80; server_name b; } server { listen 80; server_name b;" + s + "}", "no Host header known"},
		{"internal", "server { listen 80; location = /s { internal; stub_status; } }", "is internal"},
		{"return", "server { listen 80; return 301 https://$host;" + s + "}", "a `return` comes first"},
		{"password", "server { listen 80; auth_basic x;" + s + "}", "asks for a password"},
		{"deny", "server { listen 80; location = /s { allow 198.51.100.0/24; deny all; stub_status; } }", "`deny` shuts us out"},
		{"deny inherited", "deny all; server { listen 80;" + s + "}", "`deny` shuts us out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := dumpOf(c.http).Status()
			e, ok := errors.AsType[*NoStatusError](err)
			if !ok || len(e.Unusable) != 1 || !strings.Contains(e.Unusable[0], c.want) || !strings.HasPrefix(e.Unusable[0], "/etc/nginx/nginx.conf:2: ") {
				t.Fatalf("Status: %v, %v; want %q", p, err, c.want)
			}
			if !strings.Contains(e.Error(), e.Unusable[0]) || !strings.Contains(e.Error(), StatusSnippet) {
				t.Errorf("Error() = %s", e)
			}
		})
	}
}

func TestStatusOfAConfigurationWithout(t *testing.T) {
	for _, http := range []string{"", "server { listen 80; }", "server { location /a { return 200 stub_status; } }"} {
		p, err := dumpOf(http).Status()
		if e, ok := errors.AsType[*NoStatusError](err); !ok || len(e.Unusable) != 0 {
			t.Errorf("Status of %q: %v, %v", http, p, err)
		}
	}
}

// What is found, the real nginx answers, each server by another location.
func TestStatusThatIsFoundAnswers(t *testing.T) {
	nginxtest.Require(t)
	for name, c := range map[string]nginxtest.Config{
		"unix":     {},
		"wildcard": {HTTP: "server { listen " + port(t) + "; server_name other; } server { listen %s; server_name ~x *.example.com; location = /t { stub_status; } }"},
		"regex":    {HTTP: "server { listen %s; location ~ ^/t$ { allow 127.0.0.1; deny all; stub_status; } }"},
		"server":   {HTTP: "server { listen %s; stub_status; }"},
		"v6":       {HTTP: "server { listen [::1]:%s; location /t/u { stub_status; } }"},
	} {
		t.Run(name, func(t *testing.T) {
			c.HTTP = strings.ReplaceAll(c.HTTP, "%s", port(t))
			s := nginxtest.NewSite(t, c)
			n, _ := testNginx(t, s.Command())
			d, err := n.Dump(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			// Without the site's own server, unless it is the only one.
			if c.HTTP != "" {
				http := d.httpBlock()
				for i := range http {
					if http[i].name == "server" && first(http[i].block, "root") != nil {
						http[i].name = "left out"
					}
				}
			}
			p, err := d.Status()
			if err != nil {
				t.Fatal(err)
			}
			m := start(t, n)
			if err := m.Ready(testContext(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Check(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func port(t *testing.T) string {
	t.Helper()
	address := nginxtest.FreeAddress(t)
	return address[strings.LastIndexByte(address, ':')+1:]
}
