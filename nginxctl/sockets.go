package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// UnixListens are the unix sockets that the configuration listens on.
func (d *Dump) UnixListens() []string {
	var paths []string
	seen := make(map[string]bool)
	each(d.main, func(l directive) {
		if l.name != "listen" || len(l.args) == 0 {
			return
		}
		if path, ok := strings.CutPrefix(l.args[0], "unix:"); ok && !seen[path] {
			seen[path] = true
			paths = append(paths, path)
		}
	})
	return paths
}

// ClearSockets removes unix sockets to listen on that a killed nginx left:
// those to which nobody answers. nginx's own test does not see them, and its
// start fails over them. One that is answered is an error that names it, since
// nginx cannot bind that either. It is for a start without custody, which sees
// to stale sockets itself and answers at its own.
func (d *Dump) ClearSockets() error {
	var errs []error
	for _, path := range d.UnixListens() {
		if err := clearSocket(path); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func clearSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of nginx's unix socket: it is a %v, remove it", path, fi.Mode().Type())
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("unix socket: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EPROTOTYPE): // answered, or its queue is full, or of another type
		return fmt.Errorf("another process listens on nginx's unix socket %s (see ss -xlp): end it", path)
	default:
		return fmt.Errorf("connect to %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}
