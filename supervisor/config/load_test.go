package config_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ngha/supervisor/config"
	"ngha/vrrp"
)

// example has every key.
const example = `
node: web-1
realtime: true
nginx:
  command: [/docker-entrypoint.sh, nginx, -g, "daemon off;"]
  reload: manual
  settle: 500ms
  state: /var/lib/ngha
  repair: 1500ms
  restarts: 7
  keep_capabilities: true
  shutdown: 30s
health: {url: "http://unix:/run/ngha/nginx.sock:/stub_status", interval: 100ms, timeout: 250ms, rise: 1, fall: 5}
checks: # all must pass
  - {name: gateway, arp: 198.51.100.1}
  - {name: app, http: "http://127.0.0.1:8080/healthz", interval: 2s, timeout: 500ms, rise: 3, fall: 4}
  - {name: uplink, link: eth1}
  - {name: disk, exec: [/bin/sh, -c, "exit 0"]}
virtual_routers:
  - name: web
    vrid: 51
    interface: eth0
    virtual_mac: true
    addresses: [198.51.100.100, 198.51.100.101/24]
    priority: 200
    interval: 300ms
    version: 3
    checksum: rfc9568
    peers: [198.51.100.3, web-2]
    allow_routed: true
    auth: {keys_file: KEYS, mode: permissive, replay: time, window: 10s}
    group: edge
    failback: after 30s
    unhealthy: release
  - vrid: 52
    addresses: 203.0.113.100
    version: 2
    interval: 2s
    password: secret
    failback: never
  - vrid: 53
    addresses: 203.0.113.101
    version: 2
    password_file: PASSWORD
    priority: 200
    failback: after 30s
    unhealthy: release
    group: edge
hooks:
  - {on: [active, backup, stopped], exec: [/bin/sh, -x], timeout: 3s}
  - on: active
    exec: [/bin/sh]
control: {socket: /run/web/ngha.sock, group: root}
metrics: {listen: ":9651"}
log: {format: json, level: debug}
`

// secrets returns text with the names of two files in it, one with keys and
// one with a password.
func secrets(t *testing.T, text string) string {
	t.Helper()
	keys := secretFile(t, "# the new one signs\n2 hex:"+strings.Repeat("0f", 32)+"\n\n1\tsixteen bytes and another sixteen.\n")
	return strings.NewReplacer("KEYS", keys, "PASSWORD", secretFile(t, "hush\n")).Replace(text)
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func exampleConfig() config.Config {
	return config.Config{
		Node: "web-1", Realtime: true,
		Nginx:  config.Nginx{Command: []string{"/docker-entrypoint.sh", "nginx", "-g", "daemon off;"}, Manual: true, Settle: 500 * time.Millisecond, State: "/var/lib/ngha", Repair: 1500 * time.Millisecond, Restarts: 7, KeepCapabilities: true, Shutdown: 30 * time.Second},
		Health: config.Health{URL: "http://unix:/run/ngha/nginx.sock:/stub_status", Interval: 100 * time.Millisecond, Timeout: 250 * time.Millisecond, Rise: 1, Fall: 5},
		Checks: []config.Check{
			{Name: "gateway", ARP: netip.MustParseAddr("198.51.100.1"), Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3},
			{Name: "app", HTTP: "http://127.0.0.1:8080/healthz", Interval: 2 * time.Second, Timeout: 500 * time.Millisecond, Rise: 3, Fall: 4},
			{Name: "uplink", Link: "eth1", Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3},
			{Name: "disk", Exec: []string{"/bin/sh", "-c", "exit 0"}, Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3},
		},
		VirtualRouters: []config.VirtualRouter{
			{
				Name: "web", Interface: "eth0", VirtualMAC: true, Peers: []string{"198.51.100.3", "web-2"}, Release: true, Group: "edge",
				Keys: []vrrp.Key{{ID: 2, Secret: bytes.Repeat([]byte{0x0f}, 32)}, {ID: 1, Secret: []byte("sixteen bytes and another sixteen.")}},
				VRRP: vrrp.Config{
					VRID: 51, Version: vrrp.V3, Priority: 200, Interval: 300 * time.Millisecond, Failback: vrrp.Failback{After: 30 * time.Second}, Unicast: true, Checksum: vrrp.MessageOnly,
					Routed: true, Auth: &vrrp.Auth{Mode: vrrp.AuthPermissive, Window: 10 * time.Second},
					Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32"), netip.MustParsePrefix("198.51.100.101/24")},
				},
			},
			{
				Name: "vrid-52",
				VRRP: vrrp.Config{
					VRID: 52, Version: vrrp.V2, Priority: 100, Interval: 2 * time.Second, Failback: vrrp.Failback{Never: true},
					Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.100/32")}, Password: vrrp.Password{'s', 'e', 'c', 'r', 'e', 't'},
				},
			},
			{
				Name: "vrid-53", Release: true, Group: "edge",
				VRRP: vrrp.Config{
					VRID: 53, Version: vrrp.V2, Priority: 200, Interval: time.Second, Failback: vrrp.Failback{After: 30 * time.Second},
					Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.101/32")}, Password: vrrp.Password{'h', 'u', 's', 'h'},
				},
			},
		},
		Hooks: []config.Hook{
			{On: []string{"active", "backup", "stopped"}, Exec: []string{"/bin/sh", "-x"}, Timeout: 3 * time.Second},
			{On: []string{"active"}, Exec: []string{"/bin/sh"}, Timeout: 10 * time.Second},
		},
		Control: config.Control{Socket: "/run/web/ngha.sock", Group: "root"},
		Metrics: config.Metrics{Listen: ":9651"},
		Log:     config.Log{Format: "json", Level: "debug"},
	}
}

// compareAddrs lets cmp look at addresses as a whole.
var compareAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

// file returns sources with a file that has text.
func file(t *testing.T, text string) config.Sources {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ngha.yaml")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return config.Sources{File: name}
}

func load(t *testing.T, s config.Sources) config.Config {
	t.Helper()
	c, err := config.Load(s)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func TestEveryKeyIsRead(t *testing.T) {
	got := load(t, file(t, secrets(t, example)))
	if got.VirtualRouters[0].KeysFile == "" {
		t.Error("the file that the keys are in is not known")
	}
	got.VirtualRouters[0].KeysFile = ""
	if diff := cmp.Diff(exampleConfig(), got, compareAddrs); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestTheExampleHasEveryKey(t *testing.T) {
	for _, s := range config.Settings() {
		name := s.Key[strings.LastIndex(s.Key, ".")+1:]
		if !strings.Contains(example, name+":") && s.Key != "virtual_routers[].auth.keys" { // which no file may have
			t.Errorf("no key %s in the example", s.Key)
		}
	}
}

func TestNothingGivenMeansTheDefaults(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Node:    host,
		Nginx:   config.Nginx{Command: []string{"nginx", "-g", "daemon off;"}, Settle: 2 * time.Second, State: "/run/ngha/ngha.nginx-lastgood", Repair: time.Second, Restarts: 5, Shutdown: 9 * time.Second},
		Health:  config.Health{Interval: 200 * time.Millisecond, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 3},
		Control: config.Control{Socket: "/run/ngha/ngha.sock"},
		Metrics: config.Metrics{Listen: "127.0.0.1:9650"},
		Log:     config.Log{Format: "auto", Level: "info"},
	}
	sources := map[string]config.Sources{
		"no file":       {File: filepath.Join(t.TempDir(), "none.yaml")},
		"empty file":    file(t, ""),
		"comments only": file(t, "# nothing\n---\n# at all\n"),
		"empty keys":    file(t, "nginx:\nchecks:\nvirtual_routers:\nhealth: ~\nlog: {level: }\n"),
	}
	for name, s := range sources {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, load(t, s), compareAddrs); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddressAndVRIDMakeAVirtualRouter(t *testing.T) {
	want := []config.VirtualRouter{{
		Name: "vrid-71",
		VRRP: vrrp.Config{
			VRID: 71, Version: vrrp.V3, Priority: 100, Interval: time.Second,
			Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32"), netip.MustParsePrefix("198.51.100.101/32"), netip.MustParsePrefix("198.51.100.102/32")},
		},
	}}
	none := filepath.Join(t.TempDir(), "none.yaml")
	sources := map[string]config.Sources{
		"flags":       {File: none, Flags: []config.Flag{{Name: "vip", Value: "198.51.100.100, 198.51.100.101"}, {Name: "vrid", Value: "7"}, {Name: "vip", Value: "198.51.100.102"}, {Name: "vrid", Value: "71"}}},
		"environment": {File: none, Environ: []string{"NGHA_VIP=198.51.100.100,198.51.100.101,198.51.100.102", "NGHA_VRID=71", "NGHA_PEER=", "HOME=/root"}},
		"both":        {File: none, Environ: []string{"NGHA_VIP=198.51.100.100,198.51.100.101,198.51.100.102", "NGHA_VRID=70"}, Flags: []config.Flag{{Name: "vrid", Value: "71"}}},
	}
	for name, s := range sources {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, load(t, s).VirtualRouters, compareAddrs); diff != "" {
				t.Errorf("virtual routers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlagsWinOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	s := file(t, `
node: from-file
log: {level: warn, format: text}
metrics: {listen: ":1"}
virtual_routers:
  - {name: web, vrid: 51, priority: 150, interface: eth0, addresses: [198.51.100.100], failback: never}
`)
	s.Environ = []string{"NGHA_NODE=from-environment", "NGHA_LOG_LEVEL=error", "NGHA_PRIORITY=160", "NGHA_VIP=198.51.100.101", "NGHA_HEALTH_URL=http://127.0.0.1/a"}
	s.Flags = []config.Flag{{Name: "node", Value: "from-flag"}, {Name: "priority", Value: "170"}, {Name: "metrics", Value: ""}}
	s.Command = []string{"nginx", "-g", "daemon off;", "-p", "/srv"}
	c := load(t, s)
	type chosen struct {
		Node, Level, Format, Metrics, URL, Name, Interface string
		Priority                                           uint8
		Addr                                               string
		Failback                                           string
		Command                                            []string
	}
	v := c.VirtualRouters[0]
	got := chosen{
		c.Node, c.Log.Level, c.Log.Format, c.Metrics.Listen, c.Health.URL, v.Name, v.Interface,
		v.VRRP.Priority, v.VRRP.Addrs[0].String(), v.VRRP.Failback.String(), c.Nginx.Command,
	}
	want := chosen{
		Node: "from-flag", Level: "error", Format: "text", Metrics: "", URL: "http://127.0.0.1/a", Name: "web", Interface: "eth0",
		Priority: 170, Addr: "198.51.100.101/32", Failback: "never", Command: s.Command,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(c.VirtualRouters) != 1 || len(v.VRRP.Addrs) != 1 {
		t.Errorf("chosen (-want +got):\n%s\nall: %+v", diff, c.VirtualRouters)
	}
}

func TestTheFileThatIsNamedIsRead(t *testing.T) {
	standard, a, b := file(t, "node: standard"), file(t, "node: a"), file(t, "node: b")
	tests := map[string]struct {
		environ []string
		flags   []config.Flag
	}{
		"standard": {},
		"a":        {environ: []string{"NGHA_CONFIG=" + a.File}},
		"b":        {environ: []string{"NGHA_CONFIG=" + a.File}, flags: []config.Flag{{Name: "config", Value: b.File}}},
	}
	for want, test := range tests {
		s := config.Sources{File: standard.File, Environ: test.environ, Flags: test.flags}
		if got := load(t, s).Node; got != want {
			t.Errorf("environment %q and flags %q: node %q, want %q", test.environ, test.flags, got, want)
		}
	}
}

func TestAliasesShareWhatIsTheSame(t *testing.T) {
	s := file(t, `
virtual_routers:
  - &first {vrid: 51, addresses: [198.51.100.100], priority: 200, peers: &peers [198.51.100.3]}
  - <<: *first
    vrid: 52
    addresses: [198.51.100.101]
  - {vrid: 53, addresses: [198.51.100.102], peers: *peers}
`)
	type shared struct {
		VRID, Priority uint8
		Peers          []string
	}
	var got []shared
	for _, v := range load(t, s).VirtualRouters {
		got = append(got, shared{v.VRRP.VRID, v.VRRP.Priority, v.Peers})
	}
	peers := []string{"198.51.100.3"}
	if diff := cmp.Diff([]shared{{51, 200, peers}, {52, 200, peers}, {53, 100, peers}}, got); diff != "" {
		t.Errorf("virtual routers (-want +got):\n%s", diff)
	}
}

func TestSocketIsFoundWhateverElseIsWrong(t *testing.T) {
	tests := map[string]struct {
		file string
		s    config.Sources
		want string
	}{
		"standard":    {want: "/run/ngha/ngha.sock"},
		"file":        {file: "control: {socket: /run/a.sock, grup: x}\nnonsense: 1\nlog: {level: loud}\n", want: "/run/a.sock"},
		"environment": {file: "control: {socket: /run/a.sock}\n", s: config.Sources{Environ: []string{"NGHA_SOCKET=/run/b.sock", "NGHA_NONSENSE=1"}}, want: "/run/b.sock"},
		"flag":        {file: "not: [yaml", s: config.Sources{Flags: []config.Flag{{Name: "socket", Value: "/run/c.sock"}}}, want: "/run/c.sock"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.s.File = file(t, test.file).File
			got, err := config.Socket(test.s)
			if err != nil || got != test.want {
				t.Errorf("Socket() = %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestSocketTellsOfAFileThatCannotBeRead(t *testing.T) {
	for name, s := range map[string]config.Sources{
		"not YAML":  file(t, "control: [\n"),
		"a bad one": file(t, "control: {socket: ngha.sock}\n"),
		"no file":   {Flags: []config.Flag{{Name: "config", Value: filepath.Join(t.TempDir(), "none.yaml")}}},
	} {
		got, err := config.Socket(s)
		if faults, ok := errors.AsType[config.Errors](err); !ok || len(faults) != 1 {
			t.Errorf("%s: Socket() = %q, %v, want one fault", name, got, err)
		}
	}
}

func TestTooLargeAFileIsRefused(t *testing.T) {
	_, err := config.Load(file(t, strings.Repeat("# too much of it\n", 32<<10)))
	if faults, ok := errors.AsType[config.Errors](err); !ok || len(faults) != 1 {
		t.Errorf("Load returned %v, want one fault", err)
	}
}

func TestSettingsAreDocumentedAndUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range config.Settings() {
		if s.Help == "" || strings.ContainsAny(s.Help, "\n`") {
			t.Errorf("%s: help %q, want one line without backquotes", s.Key, s.Help)
		}
		if (s.Flag == "") != (s.Arg == "") {
			t.Errorf("%s: flag %q with the argument %q", s.Key, s.Flag, s.Arg)
		}
		for _, name := range []string{s.Key, "--" + s.Flag} {
			if name != "" && name != "--" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
}

func TestAddressesOfBothFamilies(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.yaml")
	c, err := config.Load(config.Sources{File: none, Environ: []string{
		"NGHA_VRID=71", "NGHA_VIP=2001:db8::100, fe80::100, 2001:DB8::7/64, 198.51.100.100", "NGHA_PEER=FE80::2,fe80::3",
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := c.VirtualRouters[0]
	want := []string{"2001:db8::100/128", "fe80::100/128", "2001:db8::7/64", "198.51.100.100/32"}
	var got []string
	for _, p := range v.VRRP.Addrs {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"fe80::2", "fe80::3"}, v.Peers); diff != "" || !v.LinkLocalPeers() || !v.VRRP.Is6() {
		t.Errorf("link-local peers %v, IPv6 %v, peers (-want +got):\n%s", v.LinkLocalPeers(), v.VRRP.Is6(), diff)
	}
}
