package nginxctl

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLogThatIsASocketIsNamed(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	socket := os.NewFile(uintptr(pair[0]), "journal")
	defer socket.Close()
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	link := t.TempDir() + "/access.log"
	if err := os.Symlink("/dev/stdout", link); err != nil {
		t.Fatal(err)
	}
	const text = "error_log /dev/stderr;\nhttp {\naccess_log LINK main;\nserver {\naccess_log /dev/fd/1;\naccess_log off;\nerror_log stderr;\n} }"
	d := parsed(strings.ReplaceAll(text, "LINK", link))

	err = Nginx{Stdout: socket, Stderr: socket}.Supervisable(d)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"/etc/nginx/nginx.conf:1: nginx cannot open /dev/stderr, which is a socket here, as under systemd: name a file, or write `error_log stderr`",
		"/etc/nginx/nginx.conf:3: nginx cannot open " + link,
		"/etc/nginx/nginx.conf:5: nginx cannot open /dev/fd/1, which is a socket here, as under systemd: name a file, or write `access_log syslog:server=unix:/dev/log`",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n"); n != 2 {
		t.Errorf("%v; want three faults", err)
	}
	if err := (Nginx{Stdout: socket, Stderr: file}).Supervisable(d); err == nil || strings.Contains(err.Error(), "stderr") {
		t.Errorf("standard error is a file: %v", err)
	}
	if err := (Nginx{Stdout: file, Stderr: file}).Supervisable(d); err != nil {
		t.Error(err)
	}
}
