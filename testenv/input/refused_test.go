package input_test

import (
	"strings"
	"testing"
)

// A configuration file that does not hold: each fault once, with its place, and
// with a word of what would be right.
func TestFileIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	router := func(lines ...string) string {
		return "virtual_routers:\n  - vrid: 51\n    addresses: [" + vip + "]\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	for _, c := range []struct {
		name  string
		file  string
		words []string
	}{
		{"unknown key", router("prority: 200"), []string{":4:5:", "prority", "did you mean priority"}},
		{"unknown key at the top", "virtual_router: []\n", []string{":1:1:", "virtual_routers"}},
		{"VRID 0", "virtual_routers: [{vrid: 0, addresses: [198.51.100.100]}]\n", []string{":1:26:", "VRID 0", "1 to 255"}},
		{"VRID 256", "virtual_routers: [{vrid: 256, addresses: [198.51.100.100]}]\n", []string{":1:26:", "VRID 256", "1 to 255"}},
		{"VRID a word", "virtual_routers: [{vrid: web, addresses: [198.51.100.100]}]\n", []string{":1:26:", "web", "1 to 255"}},
		{"no VRID", "virtual_routers: [{addresses: [198.51.100.100]}]\n", []string{":1:20:", "no vrid", "1 to 255"}},
		{"no address", "virtual_routers: [{vrid: 51}]\n", []string{":1:20:", "no addresses", "addresses: ["}},
		{"no such address", "virtual_routers: [{vrid: 51, addresses: [198.51.100.300]}]\n", []string{":1:42:", "198.51.100.300", "not an IP address", "such as"}},
		{"IPv6 under version 2", "virtual_routers: [{vrid: 51, addresses: [\"2001:db8::100\"], version: 2}]\n", []string{"2001:db8::100", "version 2", "version 3"}},
		{"half a second under version 2", router("version: 2", "interval: 500ms"), []string{":5:15:", "500ms", "whole seconds", "version 3"}},
		{"one and a half under version 2", router("interval: 1.5s", "version: 2"), []string{":4:15:", "1.5s", "whole seconds", "version 3"}},
		{"priority 255", router("priority: 255"), []string{":4:15:", "255", "2 to 254"}},
		{"priority 1", router("priority: 1"), []string{":4:15:", "last resort", "2 to 254"}},
		{"priority 0", router("priority: 0"), []string{":4:15:", "priority 0", "2 to 254"}},
		{"duplicate VRIDs", router("interface: eth0") + "  - {vrid: 51, interface: eth0, addresses: [198.51.100.101]}\n",
			[]string{":5:12:", "VRID 51", "line 2", "of its own"}},
		{"one address twice", router("name: a") + "  - {vrid: 52, addresses: [198.51.100.100]}\n", []string{":5:27:", vip, "line 2"}},
		{"interval without a unit", router("interval: 1"), []string{":4:15:", "no unit", "1s"}},
		{"a word where a list belongs", "virtual_routers: web\n", []string{":1:18:", "list"}},
		{"a list at the top", "- vrid: 51\n", []string{":1:1:"}},
		{"a tab", "virtual_routers:\n\t- vrid: 51\n", []string{":2:", "tab"}},
		{"a bracket that stays open", "virtual_routers: [{vrid: 51\n", []string{"ngha.yaml:"}},
		{"a key twice", "node: a\nnode: b\n", []string{":2:1:", "node"}},
		{"binary garbage", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\xff\xfe\x80", []string{"ngha.yaml"}},
		{"UTF-16", "\xff\xfen\x00o\x00d\x00e\x00:\x00", []string{"ngha.yaml"}},
		{"a very long line", "node: " + strings.Repeat("x", 200_000) + "\n", []string{":1:7:", "63"}},
		{"a very long key", strings.Repeat("x", 200_000) + ": 1\n", []string{":1:1:", "unknown key"}},
		{"a very large file", strings.Repeat("# nothing\n", 100_000), []string{"ngha.yaml", "256 KiB"}},
		{"many brackets", "node: " + strings.Repeat("[", 2_000), []string{"ngha.yaml"}},
		{"an alias bomb", "a: &a [x, x, x, x, x, x, x, x, x]\n" + bomb("abcdefghi"), []string{"ngha.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			line := append(n.ngha(nil, "run", "--config", n.file("ngha.yaml", c.file), "--"), nginx...)
			output := n.refused(line, usage, append(c.words, "nothing was done")...)
			if len(output) > 4<<10 {
				t.Errorf("the message is %d bytes long", len(output))
			}
		})
	}
}

// bomb is YAML in which each name stands for nine of the one before.
func bomb(names string) string {
	var b strings.Builder
	for i := 1; i < len(names); i++ {
		last := "*" + names[i-1:i]
		b.WriteString(names[i:i+1] + ": &" + names[i:i+1] + " [" + strings.Repeat(last+", ", 8) + last + "]\n")
	}
	return b.String()
}

// Several faults are told together.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	file := n.file("ngha.yaml", "nginx: {shutdwn: 1s}\nvirtual_routers:\n  - {vrid: 0, addresses: [nowhere], priority: 300}\n")
	n.refused(n.ngha([]string{"NGHA_FAILBAK=now"}, "run", "--config", file, "--log-level", "loud"), usage,
		"6 faults", "shutdwn", "VRID 0", "nowhere", "300", "NGHA_FAILBAK", "--log-level")
}

// A command line, or an environment, that does not hold.
func TestCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{})
	run := func(args ...string) []string {
		return append(append([]string{"run"}, args...), append([]string{"--"}, nginx...)...)
	}
	for _, c := range []struct {
		name  string
		env   []string
		args  []string
		words []string
	}{
		{"unknown flag", nil, run("--vird", "51"), []string{"--vird", "did you mean --vrid?"}},
		{"unknown short flag", nil, run("-x"), []string{"-x", "--help"}},
		{"flag without its value", nil, []string{"run", "--vrid"}, []string{"--vrid", "--help"}},
		{"unknown command", nil, []string{"reloda"}, []string{"reloda", "reload"}},
		{"nginx without --", nil, []string{"run", "nginx", "-g", "daemon off;"}, []string{"ngha run -- nginx"}},
		{"nothing behind --", nil, []string{"run", "--"}, []string{"--", "nginx"}},
		{"an argument too many", nil, []string{"reload", "now"}, []string{"now", "--help"}},
		{"unknown variable", []string{"NGHA_VIPS=198.51.100.100"}, run(), []string{"NGHA_VIPS", "did you mean NGHA_VIP?"}},
		{"variable with a fault", []string{"NGHA_VIP=198.51.100.100", "NGHA_VRID=no"}, run(), []string{"NGHA_VRID", "no", "1 to 255"}},
		{"flag with a fault", nil, run("--vip", "198.51.100.100/33", "--vrid", "51"), []string{"--vip", "198.51.100.100/33", "not an IP address"}},
		{"an address without its VRID", nil, run("--vip", vip), []string{"--vip", "no vrid", "--vrid"}},
		{"a VRID without its address", []string{"NGHA_VRID=51"}, run(), []string{"NGHA_VRID", "no addresses", "NGHA_VIP"}},
		{"a file that is not there", nil, run("--config", "/nowhere/ngha.yaml"), []string{"--config", "/nowhere/ngha.yaml", "no such file"}},
		{"a directory for a file", nil, run("--config", n.lab.Dir()), []string{"--config", n.lab.Dir(), "directory"}},
		{"a file named by a variable", []string{"NGHA_CONFIG=/nowhere"}, run(), []string{"NGHA_CONFIG", "/nowhere", "no such file"}},
		{"a socket by a relative path", nil, run("--socket", "ngha.sock"), []string{"--socket", "absolute"}},
		{"a port that is none", nil, run("--metrics", "127.0.0.1:99999"), []string{"--metrics", "99999", "65535"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			n.refused(n.ngha(c.env, c.args...), usage, c.words...)
		})
	}
}
