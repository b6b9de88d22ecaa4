package input_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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
	n.nothingLeft()
}

// answer is a site with a location /a that answers with body.
func answer(body string) site {
	return site{server: fmt.Sprintf("location = /a { return 200 \"%s\\n\"; }", body)}
}

// taken has another process listen on the host's port.
func (n *node) taken(port int) {
	n.Helper()
	var l net.Listener
	if err := n.host.Do(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf("%s:%d", own, port))
		return err
	}); err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { l.Close() })
}

// What nginx cannot take is told in nginx's own words, and the old configuration
// goes on, stale until a later one is applied.
func TestReloadOfBrokenConfiguration(t *testing.T) {
	testenv.EachRelease(t, func(t *testing.T, release string) { brokenConfigurations(newNodeOf(t, release)) })
}

func brokenConfigurations(n *node) {
	body := func(generation uint64) string { return fmt.Sprintf("of generation %d", generation) }
	p := n.start(n.ngha(byHand(), append(router(), n.nginx(answer(body(1)))...)...)...)
	n.awaitRouter("active")
	with := func(server string) func(*node) {
		return func(n *node) { n.nginx(site{server: answer("new").server + server}) }
	}
	for i, c := range []struct {
		name  string
		spoil func(*node)
		words []string
	}{
		{"syntax", with("retrun 200;"), []string{"unknown directive", "retrun", "nginx.conf:"}},
		{"a bracket", with("location = /b {"), []string{"[emerg]", "nginx.conf:"}},
		{"empty file", func(n *node) { n.file("nginx.conf", "") }, []string{"events"}},
		{"garbage", func(n *node) { n.file("nginx.conf", "\x00\x01\xff{{{;") }, []string{"[emerg]", "nginx.conf:"}},
		{"no file", func(n *node) {
			if err := os.Remove(n.lab.Dir() + "/nginx.conf"); err != nil {
				n.Fatal(err)
			}
		}, []string{"nginx.conf", "No such file"}},
		{"no certificate", with("listen 443 ssl; ssl_certificate /no/such.crt; ssl_certificate_key /no/such.key;"),
			[]string{"cannot load certificate", "/no/such.crt", "No such file"}},
		{"an upstream that nobody knows", with("location /b { proxy_pass http://no-such-host.invalid; }"),
			[]string{"host not found in upstream", "no-such-host.invalid"}},
		{"a log that cannot be opened", with("access_log /no/such/access.log;"), []string{"/no/such/access.log", "No such file"}},
		{"an error log that is none", with("error_log /run;"), []string{"/run", "Is a directory"}},
		{"an address of another host", with("listen 203.0.113.1:8080;"), []string{"203.0.113.1:8080", "(99: "}},
		{"a user that nobody is", func(n *node) { n.nginx(site{main: "user nobody_of_that_name;"}) }, []string{"nobody_of_that_name"}},
		// Passes the test and fails in the running nginx.
		{"a port that is taken", func(n *node) {
			n.taken(8081)
			with("listen 8081;")(n)
		}, []string{"0.0.0.0:8081", "(98: "}},
	} {
		n.Run(c.name, func(t *testing.T) {
			n := n.with(t)
			generation := uint64(i + 1)
			c.spoil(n)
			n.reload(notApplied, append(c.words, "not applied", fmt.Sprintf("generation %d goes on", generation))...)
			n.awaitBody("/a", body(generation))
			n.awaitGeneration(generation, "stale")
			n.awaitRouter("active")
			n.host.AwaitHolds(vip)

			n.nginx(answer(body(generation + 1)))
			n.reload(done, "applied", fmt.Sprintf("generation %d", generation+1))
			n.awaitBody("/a", body(generation+1))
			n.awaitGeneration(generation+1, "current")
		})
	}
	n.end(p)
}

// While a reload runs, another one is asked for, of files that were mended
// meanwhile: each is told of its own.
func TestReloadWhileAReloadRuns(t *testing.T) {
	testenv.EachRelease(t, func(t *testing.T, release string) {
		n := newNodeOf(t, release)
		p := n.start(n.ngha(byHand(), append(router(), n.nginx(answer("old"))...)...)...)
		n.awaitRouter("active")
		n.taken(8081)
		n.nginx(site{server: answer("never").server + "listen 8081;"})
		type outcome struct {
			output string
			err    error
		}
		first := make(chan outcome, 1) // its one message
		go func() {
			line := n.ngha(nil, "reload")
			output, err := n.host.Run(line[0], line[1:]...)
			first <- outcome{output, err}
		}()
		// nginx goes on trying for two seconds and more.
		n.lab.Await("nginx to try the port", limit, func() error {
			if !strings.Contains(p.Log(), "0.0.0.0:8081") {
				return errors.New("it has not complained yet")
			}
			return nil
		})
		n.nginx(answer("new"))
		n.reload(done, "applied", "generation 2")
		n.awaitBody("/a", "new")
		got := <-first
		exit, ok := errors.AsType[*exec.ExitError](got.err)
		if !ok || exit.ExitCode() != notApplied || !strings.Contains(got.output, "(98: ") {
			t.Errorf("the first one: %v, want exit code %d and the port in use\n%s", got.err, notApplied, got.output)
		}
		n.awaitGeneration(2, "current")
		n.end(p)
	})
}

// Where nginx's words cannot be read, it is told where they are.
func TestReloadIsRefusedInALogThatCannotBeRead(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	old := answer("old")
	old.log = "/dev/null"
	p := n.start(n.ngha(byHand(), append(router(), n.nginx(old)...)...)...)
	n.awaitRouter("active")
	n.taken(8081)
	spoilt := old
	spoilt.server += "listen 8081;"
	n.nginx(spoilt)
	n.reload(notApplied, "not applied", "the reason is in /dev/null")
	n.awaitBody("/a", "old")
	n.awaitGeneration(1, "stale")
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
	n.nothingLeft()
	n.reload(failed, "is it running?")
}

// A reload that would leave ngha without a way to ask nginx, or to start it
// again, is refused while the old configuration still serves.
func TestReloadThatBlindsNghaIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
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
