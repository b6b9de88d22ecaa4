package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// listenBacklog is nginx's own on Linux. It asks for another itself where the
// configuration wants one.
const listenBacklog = 511

// openSocket binds one socket as nginx would. An address in use is
// unix.EADDRINUSE.
func openSocket(w wanted) (socket, error) {
	s := socket{at: w.endpoint}
	var to unix.Sockaddr
	family := unix.AF_INET
	switch a := w.addr.Addr(); {
	case w.path != "":
		family, to = unix.AF_UNIX, &unix.SockaddrUnix{Name: w.path}
	case a.Is4():
		to = &unix.SockaddrInet4{Port: int(w.addr.Port()), Addr: a.As4()}
	default:
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(w.addr.Port()), Addr: a.As16()}
	}
	if w.path != "" {
		// Whatever stands in the way, nginx cannot bind it either.
		if err := clearSocket(w.path); err != nil {
			return socket{}, fmt.Errorf("%w: %w", unix.EADDRINUSE, err)
		}
	}
	var err error
	if s.fd, err = unix.Socket(family, w.kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return socket{}, err
	}
	if err := s.bind(w, family, to); err != nil {
		unix.Close(s.fd)
		return socket{}, err
	}
	return s, nil
}

func (s *socket) bind(w wanted, family int, to unix.Sockaddr) error {
	var options []int
	if w.kind == unix.SOCK_STREAM {
		options = append(options, unix.SO_REUSEADDR)
	}
	if w.reuseport {
		options = append(options, unix.SO_REUSEPORT)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, o, 1); err != nil {
			return err
		}
	}
	if family == unix.AF_INET6 {
		only := 1
		if w.dual {
			only = 0
		}
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	if err := unix.Bind(s.fd, to); err != nil {
		return err
	}
	if w.path != "" {
		s.file = identify(w.path)
		if err := os.Chmod(w.path, 0o666); err != nil {
			return errors.Join(err, s.remove())
		}
	}
	var err error
	if w.kind == unix.SOCK_DGRAM {
		// nginx sets it before it binds. It would let us bind an address that
		// others have, whose datagrams would then go either way.
		err = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	} else {
		err = unix.Listen(s.fd, listenBacklog)
	}
	if err != nil {
		return errors.Join(err, s.remove())
	}
	s.inode, err = inodeOf(s.fd)
	return err
}

// remove removes a unix socket's file, if it is still the one that was bound.
func (s socket) remove() error {
	if s.at.path == "" || s.file == (fileID{}) || identify(s.at.path) != s.file {
		return nil
	}
	if err := os.Remove(s.at.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove nginx's socket: %w", err)
	}
	return nil
}

// A fileID tells one file of this machine from all others that exist.
type fileID struct{ dev, inode uint64 }

// identify returns the zero fileID where there is no file.
func identify(path string) fileID {
	var st unix.Stat_t
	if path == "" || unix.Lstat(path, &st) != nil {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}

func inodeOf(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// getSocket copies descriptor fd of p, which must be the socket with this inode:
// p may have closed it since, and opened another.
func (p Process) getSocket(fd int, inode uint64) (int, error) {
	d, err := p.open()
	if err != nil {
		return -1, err
	}
	defer d.close()
	conn, err := d.f.SyscallConn()
	if err != nil {
		return -1, err
	}
	copied := -1
	if cerr := conn.Control(func(pidfd uintptr) { copied, err = unix.PidfdGetfd(int(pidfd), fd, 0) }); cerr != nil {
		return -1, cerr
	}
	if err != nil {
		return -1, err
	}
	if got, err := inodeOf(copied); err != nil || got != inode {
		unix.Close(copied)
		return -1, errors.Join(fmt.Errorf("process %d closed descriptor %d meanwhile", p.PID, fd), err)
	}
	return copied, nil
}

// isRefusal reports whether err is the kernel's, or a seccomp filter's, way to
// keep pidfd_getfd from us.
func isRefusal(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS)
}
