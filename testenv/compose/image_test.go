package compose_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/testenv"
	"ngha/testenv/compose"
)

// eachImage runs a test, in parallel, with ngha on an image of Debian's kind and on
// one with busybox.
func eachImage(t *testing.T, f func(t *testing.T, image string)) {
	t.Helper()
	for _, image := range []string{compose.Image, compose.ImageBusybox} {
		t.Run(strings.Replace(image, ":", " ", 1), func(t *testing.T) {
			t.Parallel()
			f(t, image)
		})
	}
}

// quick has the engine ask for the container's health more often than the image
// does.
const quick = "--health-interval=500ms"

// writeFile writes a file that a container may mount, and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// get asks a container's nginx, by its own address.
func get(t *testing.T, lab *testenv.Lab, c *compose.Container, port string) string {
	t.Helper()
	body := ""
	lab.Await("an answer", awaitLimit, func() (err error) {
		body, err = c.Exec("sh", "-c", "curl -sSf http://127.0.0.1:"+port+"/ || wget -qO- http://127.0.0.1:"+port+"/")
		return err
	})
	return body
}

// stamp is the time with which a line of nginx's begins.
var stamp = regexp.MustCompile(`(?m)^[0-9/]+ [0-9:]+ `)

// What is no nginx that serves runs as it would without ngha.
func TestImageRunsOtherCommandsAsTheyAre(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	eachImage(t, func(t *testing.T, image string) {
		commands := [][]string{
			{"nginx", "-v"},
			{"nginx", "-t"},
			{"nginx", "-T"},
			{"nginx-debug", "-v"},
			{"sh", "-c", "echo to stdout; echo to stderr >&2; exit 7"},
			{"no-such-program"},
			{"nginx", "-t", "-c", "/no/such/file"},
		}
		if image == compose.Image {
			commands = append(commands, []string{"bash", "-c", "echo $BASH_VERSION $0 $#", "zero", "one two"})
		}
		for _, command := range commands {
			with := compose.Run(t, append([]string{image}, command...)...)
			without := compose.Run(t, append([]string{"--entrypoint", "/docker-entrypoint.sh", image}, command...)...)
			with.Stderr, without.Stderr = stamp.ReplaceAllString(with.Stderr, ""), stamp.ReplaceAllString(without.Stderr, "")
			if command[0] == "no-such-program" { // each in its own words
				with.Stderr, without.Stderr = "", ""
			}
			if diff := cmp.Diff(without, with); diff != "" {
				t.Errorf("%q (-without +with):\n%s", command, diff)
			}
		}
	})
}

func TestImageServesWithoutAnythingElse(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	eachImage(t, func(t *testing.T, image string) {
		lab := testenv.New(t)
		c := compose.Start(t, lab, quick, image)
		c.AwaitHealthy()
		if body := get(t, lab, c, "80"); !strings.Contains(body, "nginx") {
			t.Errorf("it answers %q", body)
		}
		lab.Await("the engine to see it", awaitLimit, func() error {
			if health := c.Inspect("{{.State.Health.Status}}"); health != "healthy" {
				return fmt.Errorf("it is %s", health)
			}
			return nil
		})
		lab.Await("the logs", awaitLimit, func() error {
			stdout, stderr := c.Logs()
			if !strings.Contains(stdout, `"GET / HTTP/1.1" 200`) {
				return fmt.Errorf("no access log on stdout: %s", stdout)
			}
			if !strings.Contains(stderr, "[notice]") || !strings.Contains(stderr, `"msg":"nginx started"`) {
				return fmt.Errorf("no error log, or not ngha's own, on stderr: %s", stderr)
			}
			return nil
		})
		// Process 1 is ngha's, and what serves is not root's and has no privilege.
		if out, err := c.Exec("sh", "-c", "readlink /proc/1/exe; for p in /proc/[0-9]*; do if grep -q '^nginx: worker' $p/cmdline; then grep -E '^(Uid|CapEff)' $p/status; fi; done"); err != nil ||
			!strings.HasPrefix(out, "/usr/local/bin/ngha\nUid:\t101\t101\t101\t101\nCapEff:\t0000000000000000\n") {
			t.Errorf("ngha, workers: %q, %v", out, err)
		}

		if _, err := c.Exec("nginx", "-s", "reload"); err != nil {
			t.Errorf("nginx -s reload: %v", err)
		}
		lab.Await("a second generation", awaitLimit, func() error {
			s, err := c.Status()
			if err == nil && s.Nginx.Generation != 2 {
				err = fmt.Errorf("it is %d", s.Nginx.Generation)
			}
			return err
		})
		if _, err := c.Exec("nginx", "-s", "quit"); err != nil {
			t.Errorf("nginx -s quit: %v", err)
		}
		if code := c.AwaitExit(); code != "0" {
			t.Errorf("after nginx -s quit the exit code is %s", code)
		}
	})
}

// The base image's own preparations are made once at each start.
func TestImageMakesThePreparationsOfItsBase(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	eachImage(t, func(t *testing.T, image string) {
		lab := testenv.New(t)
		template := writeFile(t, "default.conf.template", `server { listen ${PORT}; location / { return 200 "${GREETING}\n"; } }`)
		env := writeFile(t, "10-port.envsh", "export PORT=8080\n")
		script := writeFile(t, "30-count.sh", "#!/bin/sh\necho once >>/tmp/count\n")
		c := compose.Start(t, lab, "-e", "GREETING=good morning", "-v", template+":/etc/nginx/templates/default.conf.template",
			"-v", env+":/docker-entrypoint.d/10-port.envsh", "-v", script+":/docker-entrypoint.d/30-count.sh",
			image)
		c.AwaitHealthy()
		if body := get(t, lab, c, "8080"); body != "good morning" {
			t.Errorf("it answers %q", body)
		}
		if count, err := c.Exec("cat", "/tmp/count"); err != nil || count != "once" {
			t.Errorf("the preparations were made %q, %v", count, err)
		}
		c.Docker("restart")
		c.AwaitHealthy()
		if count, err := c.Exec("cat", "/tmp/count"); err != nil || count != "once\nonce" {
			t.Errorf("after a restart the preparations were made %q, %v", count, err)
		}
	})
}

// An entrypoint of the user's own gives nginx its environment, as without ngha.
// nginx shows its time zone.
func TestImageKeepsTheEnvironmentOfItsEntrypoint(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	script := writeFile(t, "docker-entrypoint.sh", "#!/bin/sh\nexport TZ=IST-5:30\nexec \"$@\"\n")
	root := writeFile(t, "default.conf", `server { listen 8080; return 200 "$time_local\n"; }`)
	user := writeFile(t, "nginx.conf", strings.Replace(unprivileged, `"served by a user\n"`, `"$time_local\n"`, 1))
	for name, options := range map[string][]string{
		"root":        {"-v", root + ":/etc/nginx/conf.d/default.conf:ro", compose.Image},
		"busybox":     {"-v", root + ":/etc/nginx/conf.d/default.conf:ro", compose.ImageBusybox},
		"nginx-debug": {"-v", root + ":/etc/nginx/conf.d/default.conf:ro", compose.Image, "nginx-debug", "-g", "daemon off;"},
		"read-only":   {"-v", root + ":/etc/nginx/conf.d/default.conf:ro", "--read-only", "--tmpfs", "/run", "--tmpfs", "/var/cache/nginx", compose.Image},
		"other than root": {"-v", user + ":/etc/nginx/nginx.conf:ro", "--user", "1234", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
			"--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/ngha", compose.Image},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := testenv.New(t)
			c := compose.Start(t, lab, append([]string{"-v", script + ":/docker-entrypoint.sh:ro"}, options...)...)
			c.AwaitHealthy()
			if body := get(t, lab, c, "8080"); !strings.HasSuffix(body, " +0530") {
				t.Errorf("it answers %q", body)
			}
			c.Exec("sh", "-c", "for p in /proc/[0-9]*; do grep -q ^nginx: $p/cmdline && kill -9 ${p#/proc/}; done")
			lab.Await("another nginx", awaitLimit, func() error {
				s, err := c.Status()
				if err == nil && s.Nginx.Restarts == 0 {
					err = errors.New("it has not been restarted")
				}
				return err
			})
			if body := get(t, lab, c, "8080"); !strings.HasSuffix(body, " +0530") {
				t.Errorf("after a crash it answers %q", body)
			}
		})
	}
}

// router are the options of a container that is a node of a virtual router.
func router(t *testing.T, network, address string) []string {
	t.Helper()
	return []string{"--network", network, "-e", "NGHA_VRID=76", "-e", "NGHA_ADVERT_INTERVAL=100ms", "-e", "NGHA_VIP=" + address}
}

func TestImageWithAReadOnlyRoot(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	network := compose.Network(t, "read-only", "--subnet", "198.18.11.0/24", "--ip-range", "198.18.11.128/25")
	c := compose.Start(t, lab, append(router(t, network, "198.18.11.100"), "--cap-add", "NET_ADMIN",
		"--read-only", "--tmpfs", "/run", "--tmpfs", "/var/cache/nginx", compose.Image)...)
	c.AwaitHealthy()
	c.Guest().AwaitHolds("198.18.11.100")
}

func TestImageSaysWhatAReadOnlyRootWants(t *testing.T) {
	t.Parallel()
	r := compose.Run(t, "--read-only", compose.Image)
	if r.Code != 1 || !strings.Contains(r.Stderr, "cannot write into /run/ngha") || !strings.Contains(r.Stderr, "tmpfs") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
}

// unprivileged is nginx's configuration for a user other than root.
const unprivileged = `pid /tmp/nginx.pid;
error_log stderr notice;
events {}
http {
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    include /usr/local/share/ngha/*.conf;
    server { listen 8080; return 200 "served by a user\n"; }
}
`

func TestImageForAUserOtherThanRoot(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	conf := writeFile(t, "nginx.conf", unprivileged)
	network := compose.Network(t, "user", "--subnet", "198.18.12.0/24", "--ip-range", "198.18.12.128/25")
	readOnly := []string{"--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/ngha"}
	for i, tt := range []struct {
		name    string
		options []string
		router  bool
		missing string // why it does not start
	}{
		{name: "with the capability", router: true, options: []string{"--cap-add", "NET_ADMIN"}},
		{name: "with nothing but capabilities", router: true, options: []string{"--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"}},
		{name: "read-only", router: true, options: append(readOnly, "--cap-add", "NET_ADMIN")},
		{name: "without the capability", router: true, missing: "missing capability: NET_ADMIN: "},
		{name: "with no-new-privileges", router: true, options: []string{"--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges"},
			missing: "missing capability: NET_ADMIN, NET_RAW: "},
		{name: "without a router", options: append(readOnly, "--cap-drop", "ALL", "--security-opt", "no-new-privileges")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lab := testenv.New(t)
			args := []string{"--user", "1234", "-v", conf + ":/etc/nginx/nginx.conf:ro"}
			address := fmt.Sprintf("198.18.12.%d", 100+i)
			if tt.router {
				args = append(args, router(t, network, address)...)
				args = append(args, "-e", fmt.Sprintf("NGHA_VRID=%d", 80+i))
			}
			args = append(append(args, tt.options...), compose.Image)
			if tt.missing != "" {
				r := compose.Run(t, args...)
				if r.Code != 1 || !strings.Contains(r.Stderr, tt.missing) || !strings.Contains(r.Stderr, "--cap-add NET_ADMIN") {
					t.Errorf("exit code %d: %s", r.Code, r.Stderr)
				}
				return
			}
			c := compose.Start(t, lab, args...)
			c.AwaitHealthy()
			if tt.router {
				c.Guest().AwaitHolds(address)
			}
			if body := get(t, lab, c, "8080"); body != "served by a user" {
				t.Errorf("it answers %q", body)
			}
			c.Docker("stop")
			if code := c.Inspect("{{.State.ExitCode}}"); code != "0" {
				t.Errorf("docker stop: exit code %s", code)
			}
		})
	}
}

// A base image may be for such a user from the start.
func TestImageOnOneForAUserOtherThanRoot(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	network := compose.Network(t, "base-user", "--subnet", "198.18.14.0/24", "--ip-range", "198.18.14.128/25")
	c := compose.Start(t, lab, append(router(t, network, "198.18.14.100"), "--cap-add", "NET_ADMIN",
		"--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/ngha", compose.ImageUnprivileged)...)
	c.AwaitHealthy()
	c.Guest().AwaitHolds("198.18.14.100")
	if body := get(t, lab, c, "8080"); !strings.Contains(body, "nginx") {
		t.Errorf("it answers %q", body)
	}
	if user, err := c.Exec("id", "-u"); err != nil || user != "101" {
		t.Errorf("its user is %q, %v", user, err)
	}
}

// An nginx.conf of the user's own has no place for the image's status location.
func TestImageSaysWhatAnOwnConfigurationLacks(t *testing.T) {
	t.Parallel()
	compose.Require(t)
	conf := writeFile(t, "nginx.conf", "events {} http { server { listen 80; } }")
	r := compose.Run(t, "-e", "NGHA_VRID=76", "-e", "NGHA_VIP=198.51.100.100", "--cap-add", "NET_ADMIN", "-v", conf+":/etc/nginx/nginx.conf:ro", compose.Image)
	if r.Code != 2 || !strings.Contains(r.Stderr, "listen unix:/run/ngha/nginx.sock;") || !strings.Contains(r.Stderr, "stub_status;") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
}

// What is being served by the node's own address is served to its end.
func TestStopFinishesWhatIsServed(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	conf := writeFile(t, "slow.conf", "server { listen 80; "+testenv.SlowLocation()+" }")
	c := compose.Start(t, lab, "-v", conf+":/etc/nginx/conf.d/default.conf:ro", compose.Image)
	c.AwaitHealthy()
	client := compose.Start(t, lab, "--no-healthcheck", compose.Image, "sleep", "infinity").Guest()
	load := client.StartLoad("http://"+c.Inspect("{{.NetworkSettings.IPAddress}}")+"/", testenv.Clients{Downloads: 5})
	load.Await(0)
	began := time.Now()
	c.Docker("stop")
	if code, took := c.Inspect("{{.State.ExitCode}}"), time.Since(began); code != "0" || took > 10*time.Second {
		t.Errorf("exit code %s after %v", code, took)
	}
	underWay := load.Stop().Downloads.Where(func(s testenv.Sample) bool { return s.Started.Before(began) })
	if len(underWay.Samples) < 5 || underWay.Failed() > 0 {
		t.Errorf("the downloads under way: %v", underWay)
	}
}

// The node and another program share a network that outlives the node, as it is
// with --network host.
func TestStopLeavesNoAddressOnASharedNetwork(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	network := compose.Network(t, "shared", "--subnet", "198.18.13.0/24", "--ip-range", "198.18.13.128/25")
	host := compose.Start(t, lab, "--network", network, "--no-healthcheck", compose.Image, "sleep", "infinity")
	machine := host.Guest()
	before, err := machine.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	c := compose.Start(t, lab, append(router(t, "container:"+host.ID(), "198.18.13.100"), "--cap-add", "NET_ADMIN", compose.Image)...)
	machine.AwaitHolds("198.18.13.100")
	c.AwaitHealthy()
	c.Docker("stop")
	if code := c.Inspect("{{.State.ExitCode}}"); code != "0" {
		t.Errorf("docker stop: exit code %s", code)
	}
	after, err := machine.Addresses()
	if diff := cmp.Diff(fmt.Sprint(before), fmt.Sprint(after)); diff != "" || err != nil {
		t.Errorf("addresses (-before +after): %v\n%s", err, diff)
	}
}

// An nginx that crashes again and again is the engine's to restart.
func TestCrashesBeyondTheBudgetEndTheContainer(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	conf := writeFile(t, "ngha.yaml", "nginx: {restarts: 2}\n")
	since := time.Now().Add(-time.Second)
	c := compose.Start(t, lab, "--restart", "on-failure:3", "-v", conf+":/etc/ngha/ngha.yaml:ro", compose.Image)
	lab.Await("the engine to restart it", awaitLimit, func() error {
		if n := c.Inspect("{{.RestartCount}}"); n != "1" {
			c.Exec("sh", "-c", "for p in /proc/[0-9]*; do grep -q ^nginx: $p/cmdline && kill -9 ${p#/proc/}; done") // there may be none just now
			return fmt.Errorf("restarted %s times", n)
		}
		return nil
	})
	if codes := c.ExitCodes(since); codes != "3" {
		t.Errorf("exit code %s, want 3", codes)
	}
	c.AwaitHealthy()
}
