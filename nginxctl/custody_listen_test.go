package nginxctl

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func parsed(text string) *Dump {
	return newDump([]File{{"/etc/nginx/nginx.conf", text}}, "", "", nil)
}

func TestSocketsThatNginxWillBind(t *testing.T) {
	http := func(listens string) string {
		return "worker_processes 3; http { server { " + listens + " } }"
	}
	for _, c := range []struct {
		name, text string
		want       []string // address, number, flags
	}{
		{"port", http("listen 8080;"), []string{"0.0.0.0:8080 1"}},
		{"any address", http("listen *:8080;"), []string{"0.0.0.0:8080 1"}},
		{"address alone", http("listen 198.51.100.1;"), []string{"198.51.100.1:80 1"}},
		{"IPv6", http("listen [::]:80; listen [2001:db8::1];"), []string{"[::]:80 1"}},
		{"IPv6 for both", http("listen [::]:80 ipv6only=off;"), []string{"[::]:80 1 dual"}},
		{"unix", http("listen unix:/run/a.sock; listen unix:relative;"), []string{"unix:/run/a.sock 1"}},
		{"range", http("listen 8080-8082;"), []string{"0.0.0.0:8080 1", "0.0.0.0:8081 1", "0.0.0.0:8082 1"}},
		{"reuseport", http("listen 80 reuseport;"), []string{"0.0.0.0:80 3 reuseport"}},
		{"one server says reuseport for all", "http { server { listen 80; } server { listen 80 reuseport; } } worker_processes 2;", []string{"0.0.0.0:80 2 reuseport"}},
		{"automatic number", "worker_processes auto; http { server { listen 80 reuseport; } }", []string{fmt.Sprintf("0.0.0.0:80 %d reuseport", runtime.NumCPU())}},
		{"default number", "http { server { listen 80 reuseport; } }", []string{"0.0.0.0:80 1 reuseport"}},
		{"wildcard covers an address", http("listen 198.51.100.1:80 ssl; listen 80; listen 198.51.100.1:81;"), []string{"0.0.0.0:80 1", "198.51.100.1:81 1"}},
		{"but not one with options of its own", http("listen 198.51.100.1:80 backlog=5; listen 80;"), []string{"198.51.100.1:80 1", "0.0.0.0:80 1"}},
		{"nor one of the other family", http("listen [2001:db8::1]:80; listen 80;"), []string{"[2001:db8::1]:80 1", "0.0.0.0:80 1"}},
		{"nor one of another protocol", http("listen 198.51.100.1:443 quic; listen 443 ssl;"), []string{"udp 198.51.100.1:443 1", "0.0.0.0:443 1"}},
		{"QUIC", http("listen 443 quic reuseport; listen 443 ssl;"), []string{"udp 0.0.0.0:443 3 reuseport", "0.0.0.0:443 1"}},
		{"stream", "stream { server { listen 53 udp; listen 53; } }", []string{"udp 0.0.0.0:53 1", "0.0.0.0:53 1"}},
		{"mail", "mail { server { listen 25; } }", []string{"0.0.0.0:25 1"}},
		{"unknown option", http("listen 80 multipath; listen 81;"), []string{"0.0.0.0:81 1"}},
		{"name", http("listen localhost:8080;"), []string{"127.0.0.1:8080 1"}},
		{"name of nobody", http("listen no-such-host.invalid:80;"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, w := range parsed(c.text).wanted(testContext(t)) {
				if w.addr == netip.MustParseAddrPort("[::1]:8080") {
					continue // localhost, where it has both
				}
				s := fmt.Sprintf("%v %d", w, w.count)
				if w.reuseport {
					s += " reuseport"
				}
				if w.dual {
					s += " dual"
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestServerWithoutListenHasADefault(t *testing.T) {
	got := parsed("http { server { } }").wanted(testContext(t))
	if len(got) != 1 || got[0].addr != defaultListen().Addr {
		t.Errorf("%v", got)
	}
}

func TestConfigurationThatIsOnlyBelievedToBeNginxsIsNotBound(t *testing.T) {
	d := parsed("http { server { listen 8080; } }")
	d.guessed = true
	if got := d.wanted(testContext(t)); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestKernelsFormOfAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000000000000:01BB": "[::]:443",
		"B80D0120000000000000000001000000:0050": "[2001:db8::1]:80",
	} {
		got, err := tableAddress(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "01:02", "0100007F", "0100007F:XX", "0100007F00:1F90"} {
		if got, err := tableAddress(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestCollisions(t *testing.T) {
	tcp := func(s string) endpoint { return endpoint{kind: unix.SOCK_STREAM, addr: netip.MustParseAddrPort(s)} }
	udp := func(s string) endpoint { return endpoint{kind: unix.SOCK_DGRAM, addr: netip.MustParseAddrPort(s)} }
	path := func(s string) endpoint { return endpoint{kind: unix.SOCK_STREAM, path: s} }
	for _, c := range []struct {
		a, b endpoint
		want bool
	}{
		{tcp("198.51.100.1:80"), tcp("198.51.100.1:80"), true},
		{tcp("198.51.100.1:80"), tcp("0.0.0.0:80"), true},
		{tcp("198.51.100.1:80"), tcp("198.51.100.2:80"), false},
		{tcp("198.51.100.1:80"), tcp("0.0.0.0:81"), false},
		{tcp("0.0.0.0:80"), udp("0.0.0.0:80"), false},
		{path("/a"), path("/a"), true},
		{path("/a"), path("/b"), false},
		{path("/a"), tcp("0.0.0.0:80"), false},
	} {
		if got := c.a.collides(c.b); got != c.want || c.b.collides(c.a) != c.want {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
