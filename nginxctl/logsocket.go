package nginxctl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openableLogs returns an error for each log of d that is our standard output or
// error, by the name of a file, where that is a socket as systemd's journal has
// it: nginx opens what it has a name for, and nobody can open a socket. Its own
// test does not find it, since there they are pipes.
func (n Nginx) openableLogs(d *Dump) error {
	var errs []error
	each(d.main, func(l directive) {
		if l.name != "error_log" && l.name != "access_log" || len(l.args) == 0 {
			return
		}
		name := d.full(l.args[0])
		var f *os.File
		switch standard(name) {
		case 1:
			f = n.stdout()
		case 2:
			f = n.stderr()
		default:
			return
		}
		if fi, err := f.Stat(); err != nil || fi.Mode().Type() != os.ModeSocket {
			return
		}
		cure := "access_log syslog:server=unix:/dev/log"
		if l.name == "error_log" {
			cure = "error_log stderr"
		}
		errs = append(errs, fmt.Errorf("%s:%d: nginx cannot open %s, which is a socket here, as under systemd: name a file, or write `%s`", l.file, l.line, name, cure))
	})
	return errors.Join(errs...)
}

// The names by which a process finds its own standard output and error.
var (
	stdoutNames = []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
	stderrNames = []string{"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"}
)

// standard is the descriptor, 1 or 2, that path leads to in whatever process opens
// it; 0: none of them.
func standard(path string) int {
	for range maxLinks {
		switch path = filepath.Clean(path); {
		case slices.Contains(stdoutNames, path):
			return 1
		case slices.Contains(stderrNames, path):
			return 2
		case strings.HasPrefix(path, "/proc/"):
			return 0
		}
		target, err := os.Readlink(path)
		if err != nil {
			return 0
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return 0
}
