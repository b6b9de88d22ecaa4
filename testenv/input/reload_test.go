package input_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// reload runs `ngha reload` and wants its exit code and every one of words.
func (n *node) reload(code int, words ...string) {
	n.Helper()
	got, output := n.client("reload")
	if got != code {
		n.Errorf("ngha reload: exit code %d, want %d\n%s", got, code, output)
	}
	for _, w := range words {
		if !strings.Contains(output, w) {
			n.Errorf("ngha reload does not say %q\n%s", w, output)
		}
	}
}

// byHand is the environment of an ngha that reloads when it is told to.
func byHand() []string { return []string{"NGHA_RELOAD=manual"} }

// end ends ngha by SIGTERM and wants exit code 0 and nothing left.
func (n *node) end(p *testenv.Process) {
	n.Helper()
	p.Signal(unix.SIGTERM)
	if state := p.AwaitExit(); state.ExitCode() != done {
		n.Errorf("ngha ended with %v", state)
	}
	n.nothingLeft(nil)
}

// What nginx cannot take is told in nginx's own words, and the old
// configuration goes on.
func TestReloadOfBrokenConfiguration(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(n.ngha(byHand(), append(router(), n.nginx(site{server: "location = /a { return 200 \"old\\n\"; }"})...)...)...)
	n.awaitRouter("active")
	for _, c := range []struct {
		name  string
		spoil func()
		words []string
	}{
		{"syntax", func() { n.nginx(site{server: "location = /a { retrun 200; }"}) }, []string{"unknown directive", "retrun", "nginx.conf:"}},
		{"a bracket", func() { n.nginx(site{server: "location = /a {"}) }, []string{"[emerg]", "nginx.conf:"}},
		{"empty file", func() { n.file("nginx.conf", "") }, []string{"events"}},
		{"garbage", func() { n.file("nginx.conf", "\x00\x01\xff{{{;") }, []string{"[emerg]", "nginx.conf:"}},
		{"no file", func() {
			if err := os.Remove(n.lab.Dir() + "/nginx.conf"); err != nil {
				t.Fatal(err)
			}
		}, []string{"nginx.conf", "No such file"}},
		// Passes the test and fails in the running nginx.
		{"an address of another host", func() { n.nginx(site{server: "listen 203.0.113.1:8080;"}) }, []string{"203.0.113.1:8080"}},
		{"a user that nobody is", func() { n.nginx(site{main: "user nobody_of_that_name;"}) }, []string{"nobody_of_that_name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			c.spoil()
			n.reload(notApplied, append(c.words, "not applied", "generation 1 goes on")...)
			n.awaitBody("/a", "old")
			n.awaitGeneration(1, "stale")
			n.awaitRouter("active")
			n.host.AwaitHolds(vip)
		})
	}

	n.nginx(site{server: "location = /a { return 200 \"new\\n\"; }"})
	n.reload(done, "applied", "generation 2")
	n.awaitBody("/a", "new")
	n.awaitGeneration(2, "current")
	n.end(p)
}

// Nobody is there to ask.
func TestNoNghaRuns(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, verb := range []string{"reload", "status"} {
		n.refused(n.ngha(nil, verb), failed, "/run/ngha/ngha.sock", "is it running?", "--socket")
		n.refused(n.ngha(nil, verb, "--socket", "/run/other.sock"), failed, "/run/other.sock", "is it running?")
		n.refused(n.ngha([]string{"NGHA_SOCKET=/run/another.sock"}, verb), failed, "/run/another.sock", "is it running?")
	}
	file := n.file("ngha.yaml", "control: {socket: /run/third.sock}\nnonsense: 1\n")
	n.refused(n.ngha(nil, "status", "--config", file), failed, "/run/third.sock") // the fault is not its affair
	plain := n.file("plain", "")
	n.refused(n.ngha(nil, "status", "--socket", plain), failed, plain)
}

// A node that ends takes no reload, and says so.
func TestReloadDuringShutdown(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nginx := n.nginx(site{server: "location = /slow { limit_rate 2; return 200 \"slowly does it, slowly does it\\n\"; }"})
	p := n.start(n.ngha(nil, append(router(), nginx...)...)...)
	n.awaitRouter("active")
	slow := make(chan error, 1)
	go func() {
		_, err := n.get("/slow")
		slow <- err
	}()
	n.lab.Await("the slow request to be served", limit, n.slowServed)
	p.Signal(unix.SIGTERM)
	n.host.AwaitGone(vip)
	n.reload(notApplied, "not applied", "ending")
	if state := p.AwaitExit(); state.ExitCode() != done {
		t.Errorf("ngha ended with %v", state)
	}
	<-slow
	n.nothingLeft(nil)
	n.reload(failed, "is it running?")
}

// A reload that would leave ngha without a way to ask nginx, or to start it
// again, is refused while the old configuration still serves.
func TestReloadThatBlindsNghaIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	answer := func(body string) site { return site{server: "location = /a { return 200 \"" + body + "\\n\"; }"} }
	p := n.start(n.ngha(byHand(), append(router(), n.nginx(answer("old"))...)...)...)
	n.awaitRouter("active")
	for _, c := range []struct {
		name  string
		spoil func(*site)
		words []string
	}{
		{"no status location", func(s *site) { s.status = "# none" }, []string{"no stub_status location", "add to its http block"}},
		{"daemon on", func(s *site) { s.main = "daemon on;" }, []string{"nginx.conf:1:", "daemon on", "foreground"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			s := answer("new")
			c.spoil(&s)
			n.nginx(s)
			n.reload(notApplied, append(c.words, "generation 1 goes on")...)
			n.awaitBody("/a", "old")
			n.awaitRouter("active")
		})
	}
	n.end(p)
}
