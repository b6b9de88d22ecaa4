package unit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ngha/testenv"
)

const (
	limit = 40 * time.Second // for what must happen
	own   = "198.51.100.1"   // the host's own address
	vip   = "198.51.100.100"
)

// host is a Debian machine with systemd and nginx: a container without a network
// but its own.
type host struct {
	*testing.T
	*testenv.Guest
	lab *testenv.Lab
	id  string
}

// root is what testenv/root makes for these tests.
const root = "/var/cache/ngha/bookworm-systemd"

// image imports root, once for each that was made.
var image = sync.OnceValues(func() (string, error) {
	made, err := os.Stat(root + "/etc/ngha-root")
	if err != nil {
		return "", err
	}
	contents, err := os.ReadFile(root + "/etc/ngha-root")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Append(contents, made.ModTime()))
	name := fmt.Sprintf("ngha-test-systemd:%x", sum[:6])
	if exec.Command("docker", "image", "inspect", name).Run() == nil {
		return name, nil
	}
	import_ := exec.Command("sh", "-c", `tar -C "$1" -c . | docker import --change 'CMD ["/sbin/init"]' - "$2"`, "sh", root, name)
	if out, err := import_.CombinedOutput(); err != nil {
		return "", fmt.Errorf("docker import: %w: %s", err, out)
	}
	return name, nil
})

// boot starts a host, which ends with the test. nginx.service runs on it.
func boot(t *testing.T) *host {
	t.Helper()
	h := &host{T: t, lab: testenv.New(t)}
	if out, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		t.Skipf("no Docker engine answers: %s", bytes.TrimSpace(out))
	}
	name, err := image()
	if errors.Is(err, os.ErrNotExist) && os.Getenv("NGHA_REQUIRE_ROOT_TESTS") != "1" {
		t.Skipf("there is no %s, which `testenv/root bookworm-systemd` makes", root)
	}
	if err != nil {
		t.Fatal(err)
	}
	// systemd wants to make cgroups and mounts; ngha's unit has capabilities of
	// its own, of which an engine grants few.
	args := []string{"run", "--detach", "--rm", "--network", "none", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--security-opt", "seccomp=unconfined",
		"--tmpfs", "/run", "--tmpfs", "/run/lock", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup"}
	for _, c := range []string{"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_NICE", "IPC_LOCK"} {
		args = append(args, "--cap-add", c)
	}
	out, err := exec.Command("docker", append(args, name)...).Output()
	if err != nil {
		t.Fatalf("docker run: %v", failure(err))
	}
	h.id = strings.TrimSpace(string(out))
	t.Cleanup(h.end)
	pid, err := exec.Command("docker", "inspect", "--format", "{{.State.Pid}}", h.id).Output()
	if err != nil {
		t.Fatalf("docker inspect: %v", failure(err))
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	h.Guest = h.lab.Guest("host", n)
	h.await("systemd to be up", func() error {
		if out, _ := h.try("systemctl is-system-running"); out != "running" {
			return errors.New(out)
		}
		return nil
	})
	h.run(`ip link add eth0 type veth peer name wire
ip address add ` + own + `/24 dev eth0
ip link set eth0 up
ip link set wire up
head -c 163840 /dev/zero >/var/www/html/slow
rm /etc/nginx/sites-enabled/default`)
	h.write("/etc/nginx/conf.d/site.conf", site)
	return h
}

// site is what nginx serves. A download of /slow takes five seconds.
const site = `server {
	listen 80;
	add_header X-Node host always;
	root /var/www/html;
	location = / { return 200 "hello\n"; }
	location = /slow { limit_rate 32k; }
}
`

func failure(err error) error {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(e.Stderr))
	}
	return err
}

func (h *host) end() {
	if h.Failed() {
		out, _ := h.try("journalctl --no-pager --output cat --unit ngha | tail -n 100")
		h.Logf("journal of ngha:\n%s", out)
	}
	if out, err := exec.Command("docker", "rm", "--force", h.id).CombinedOutput(); err != nil {
		h.Errorf("docker rm: %v: %s", err, out)
	}
}

// try runs a script on the host and returns what it said, and its exit code.
func (h *host) try(script string) (string, int) {
	h.Helper()
	cmd := exec.Command("docker", "exec", h.id, "sh", "-c", script)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		h.Fatalf("docker exec: %v", err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
}

// run is try for what must not fail.
func (h *host) run(script string) string {
	h.Helper()
	out, code := h.try("set -e\n" + script)
	if code != 0 {
		h.Fatalf("%s\nexit code %d: %s", script, code, out)
	}
	return out
}

func (h *host) write(path, text string) {
	h.Helper()
	cmd := exec.Command("docker", "exec", "--interactive", h.id, "sh", "-c", `mkdir -p "${1%/*}" && cat >"$1"`, "sh", path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.Fatalf("write %s: %v: %s", path, err, out)
	}
}

// journal is what ngha, and systemd of it, have logged so far.
func (h *host) journal() string {
	h.Helper()
	return h.run("journalctl --sync; journalctl --no-pager --output cat --unit ngha")
}

func (h *host) await(what string, check func() error) {
	h.Helper()
	h.lab.Await(what, limit, check)
}

// property asks systemd about ngha's unit.
func (h *host) property(name string) string {
	h.Helper()
	return h.run("systemctl show --value --property " + name + " ngha")
}

func (h *host) awaitProperty(name, want string) {
	h.Helper()
	h.await(name+" to be "+want, func() error {
		if got := h.property(name); got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// kill sends a signal to ngha alone.
func (h *host) kill(signal string) {
	h.Helper()
	h.run("kill -s " + signal + " " + h.property("MainPID"))
}

// awaitRestart waits until another ngha runs than the one with this pid.
func (h *host) awaitRestart(pid string) {
	h.Helper()
	h.await("ngha to be started anew", func() error {
		if now, state := h.property("MainPID"), h.property("ActiveState"); now == pid || now == "0" || state != "active" {
			return fmt.Errorf("it is %s, process %s", state, now)
		}
		return nil
	})
}

// packages are two versions of the package, of which only the number differs.
var packages = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "ngha-packages-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	list := make(map[string][]byte)
	for _, version := range []string{"1.0", "1.1"} {
		out, err := exec.Command("../../cmd/ngha/debian/build", "-v", version, dir).Output()
		if err != nil {
			return nil, fmt.Errorf("build the package: %w", failure(err))
		}
		if list[version], err = os.ReadFile(strings.TrimSpace(string(out))); err != nil {
			return nil, err
		}
	}
	return list, nil
})

// install installs the package in a version.
func (h *host) install(version string) string {
	h.Helper()
	testenv.RequireBinary(h.T, "dpkg-deb")
	debs, err := packages()
	if err != nil {
		h.Fatal(err)
	}
	local := filepath.Join(h.TempDir(), "ngha.deb")
	if err := os.WriteFile(local, debs[version], 0o644); err != nil {
		h.Fatal(err)
	}
	if out, err := exec.Command("docker", "cp", local, h.id+":/root/ngha-"+version+".deb").CombinedOutput(); err != nil {
		h.Fatalf("docker cp: %v: %s", err, out)
	}
	said := h.run("dpkg --install /root/ngha-" + version + ".deb")
	h.write("/etc/nginx/conf.d/status.conf", `server {
	listen unix:/run/ngha/nginx.sock;
	location = /stub_status { stub_status; }
}`)
	return said
}

// serve installs the package and starts ngha in the place of nginx.service, with
// more settings.
func (h *host) serve(settings string) {
	h.Helper()
	h.install("1.0")
	h.run("systemctl disable --now nginx")
	h.write("/etc/ngha/ngha.yaml", "nginx: {state: /var/lib/ngha/nginx-lastgood}\n"+settings)
	h.run("systemctl enable --now ngha")
}
