package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What trixie has, and the machine, if it is older, has not.
const newNginx, newKeepalived = "nginx/1.26.", "Keepalived v2.3."

func TestHostWithARootSeesNothingElse(t *testing.T) {
	t.Parallel()
	lab := New(t)
	root := lab.Root("trixie")
	a := lab.Host("a")
	a.SetRoot(root)
	own := filepath.Join(t.TempDir(), "own")
	out, err := a.Run("sh", "-ec", `. /etc/os-release; echo $VERSION_CODENAME; cat /proc/sys/kernel/hostname; ls /run
		echo x >/etc/mine; echo x >`+own+`; ls -d `+lab.Dir()+`
		awk '$5 == "/" {print "root is", $9} $5 ~ "^/run/." {print "left behind:", $5}' /proc/self/mountinfo`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := fmt.Sprintf("trixie\na\nngha\nnginx\n%s\nroot is overlay\n", lab.Dir())
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("the host shows (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("the test does not see a file that the host made for it: %v", err)
	}
	for _, dir := range []string{root.dir, "/"} {
		if _, err := os.Stat(filepath.Join(dir, "etc/mine")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the host wrote to %s: %v", dir, err)
		}
	}
	if out, err := a.Run("cat", "/etc/mine"); err != nil {
		t.Errorf("the next process of the host has another file system: %s", out)
	}
	a.PowerOff()
	if out, err := a.Run("cat", "/etc/mine"); err == nil {
		t.Errorf("a file of the host's outlived the power: %s", out)
	}
	a.PowerOff()
	a.SetRoot(nil)
	if out, err := a.Run("grep", "overlay / ", "/proc/self/mounts"); err == nil && strings.Contains(out, root.dir) {
		t.Errorf("without a root the host has %s", out)
	}
}

func TestProgramRunsWithinAnotherRelease(t *testing.T) {
	t.Parallel()
	New(t).Root("trixie") // skips where there is none
	own := filepath.Join(t.TempDir(), "own")
	within := exec.Command("go", "run", "./within", "trixie", "sh", "-ec", `. /etc/os-release; echo $VERSION_CODENAME; echo $PWD; ls /run; nginx -v 2>&1; echo x >"$0"; exit 5`, own)
	out, err := within.CombinedOutput()
	dir, errDir := os.Getwd()
	if errDir != nil {
		t.Fatal(errDir)
	}
	if want := "trixie\n" + dir + "\nnginx version: " + newNginx; !strings.HasPrefix(string(out), want) {
		t.Errorf("it wrote\n%s\nwant\n%s", out, want)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !strings.Contains(string(out), "exit status 5") {
		t.Errorf("it ended with %v, want its own exit status 5", exit)
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("a temporary file was not shared: %v", err)
	}
}

func TestRootThatWasNotMadeSkips(t *testing.T) {
	t.Setenv(requireVariable, "")
	var skipped bool
	t.Run("potato", func(t *testing.T) {
		lab := New(t)
		defer func() { skipped = t.Skipped() }()
		lab.Root("potato")
	})
	if !skipped {
		t.Error("not skipped")
	}
}

// A node of each release, which ngha keeps together.
func TestFailoverBetweenReleases(t *testing.T) {
	t.Parallel()
	lab := New(t)
	root := lab.Root("trixie")
	lan := lab.Bridge("lan")
	a, b, client := lab.Host("a"), lab.Host("b"), lab.Host("client")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(b, "198.51.100.2/24")
	lan.Attach(client, "198.51.100.9/24")
	client.SetRoot(root)
	vips := []string{"198.51.100.100"}
	cert := lab.Certificate("198.51.100.100")
	na := lab.StartNode(a, Node{Root: root, VRID: 7, Priority: 200, VIPs: vips, Interval: time.Second, Server: cert.HTTP3()})
	nb := lab.StartNode(b, Node{VRID: 7, Priority: 100, VIPs: vips, Interval: time.Second})

	if out, err := na.Run("nginx", "-V"); err != nil || !strings.Contains(out, newNginx) || !strings.Contains(out, "--with-http_v3_module") {
		t.Errorf("a's nginx -V: %v\n%s", err, out)
	}
	if out, err := nb.Run("nginx", "-v"); err != nil || strings.Contains(out, newNginx) {
		t.Errorf("b's nginx -v: %v\n%s", err, out)
	}
	na.AwaitState("active")
	nb.AwaitState("backup")
	awaitNginx(t, na, 1, 2)
	if got := get(t, client, "http://198.51.100.100/"); got != "a: a\n" {
		t.Errorf("answered %q", got)
	}
	awaitHTTP3 := func(path, want string) {
		eventually(t, "an answer by HTTP/3", func() error {
			got, err := client.GetHTTP3("https://198.51.100.100"+path, cert)
			if err == nil && got != want {
				err = fmt.Errorf("answered %q", got)
			}
			return err
		})
	}
	awaitHTTP3("/", "a\n")

	na.Configure(cert.HTTP3() + ` location /new { return 200 "new\n"; }`)
	if out, err := na.CLI("reload"); err != nil {
		t.Errorf("ngha reload: %v\n%s", err, out)
	}
	awaitHTTP3("/new", "new\n") // a worker of the old generation may have got it first

	na.Process().Signal(unix.SIGTERM)
	if state := na.Process().AwaitExit(); state.ExitCode() != 0 {
		t.Errorf("ngha ended with %v", state)
	}
	nb.AwaitState("active")
	nb.AwaitHolds("198.51.100.100")
	if got := get(t, client, "http://198.51.100.100/"); got != "b: b\n" {
		t.Errorf("answered %q", got)
	}
}

func TestKeepalivedOfAnotherReleaseElectsWithNgha(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, b := lab.Host("a"), lab.Host("b")
	lan.Attach(a, "198.51.100.1/24")
	lb := lan.Attach(b, "198.51.100.2/24")
	b.SetRoot(lab.Root("trixie"))
	capture := lan.Capture()
	na := lab.StartNode(a, Node{VRID: 51, Priority: 200, VIPs: []string{"198.51.100.100"}, Interval: time.Second})
	na.AwaitState("active")
	if out, err := b.Run("keepalived", "--version"); err != nil || !strings.HasPrefix(out, newKeepalived) {
		t.Errorf("b's keepalived --version: %v\n%s", err, out)
	}
	lab.StartKeepalived(b, keepalivedConf(3, 220, "1"))
	na.AwaitState("backup")
	b.AwaitHolds("198.51.100.100")
	frame := capture.Await("an advertisement of keepalived", awaitLimit, IsAdvert(51), From(lb), WithPriority(220))
	if got := fmt.Sprint(frame.Advert.Version, frame.Advert.Interval); got != "3 1s" {
		t.Errorf("keepalived advertises version and interval %s", got)
	}
	b.PowerOff()
	na.AwaitState("active")
}
