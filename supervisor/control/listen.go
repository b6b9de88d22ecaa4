package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// listener is a unix socket and the lock that goes with it.
type listener struct {
	net.Listener
	lock   *os.File
	unlock sync.Once
}

// maxPath is what sockaddr_un has room for, less the zero at the end.
const maxPath = 107

// Listen creates socket, and its directory where there is none, and listens on
// it. Root alone may connect, and group too where it is not "" (a name or a
// number). A socket that a killed ngha has left there is replaced; while another
// ngha is alive, Listen fails and names it. Close removes the socket.
func Listen(socket, group string) (net.Listener, error) {
	if len(socket) > maxPath {
		return nil, fmt.Errorf("control socket %s: a socket's path has %d bytes at most, and this one %d; choose a shorter one (--socket)", socket, maxPath, len(socket))
	}
	mode, gid := uint32(0o600), -1
	if group != "" {
		var err error
		if gid, err = groupID(group); err != nil {
			return nil, fmt.Errorf("control socket %s: %w", socket, err)
		}
		mode = 0o660
	}
	if err := MakeFolder(socket); err != nil {
		return nil, err
	}
	lock, err := acquire(socket)
	if err != nil {
		return nil, err
	}
	l, err := listen(socket, mode, gid)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", socket, errors.Join(err, lock.Close()))
	}
	return &listener{Listener: l, lock: lock}, nil
}

// MakeFolder makes the folder of socket where there is none, and fails where this
// user may not write into it.
func MakeFolder(socket string) error {
	folder := filepath.Dir(socket)
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		const write, search = 2, 1
		err = os.NewSyscallError("access", syscall.Access(folder, write|search))
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("control socket %s: this user cannot write into %s: %w; give it that folder, in a container by a tmpfs or a volume, or name another socket (--socket)", socket, folder, err)
}

// Close removes the socket, then lets go of the lock.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.unlock.Do(func() { err = errors.Join(err, l.lock.Truncate(0), l.lock.Close()) })
	return err
}

// acquire takes the lock beside socket and writes our pid into it. The file
// stays for ever: to remove it would let two hold a lock of the same name.
func acquire(socket string) (*os.File, error) {
	name := socket + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: lock: %w", socket, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = inUse(socket, f)
	} else if err == nil {
		if err = f.Truncate(0); err == nil {
			_, err = fmt.Fprintln(f, os.Getpid())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: lock: %w", socket, errors.Join(err, f.Close()))
	}
	return f, nil
}

// inUse says who holds the lock.
func inUse(socket string, lock *os.File) error {
	who := "another ngha"
	var b [16]byte
	if n, err := lock.ReadAt(b[:], 0); n > 0 || err == nil {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:n]))); err == nil {
			who = fmt.Sprintf("another ngha, pid %d,", pid)
		}
	}
	return fmt.Errorf("%s runs here; end it, or give this one a control socket of its own (--socket)", who)
}

// listen binds socket, with the lock held.
func listen(socket string, mode uint32, gid int) (net.Listener, error) {
	if err := clear(socket); err != nil {
		return nil, err
	}
	// The mode of the socket before it is bound becomes the file's, so that it
	// is at no instant open to others.
	var config net.ListenConfig
	config.Control = func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, ctlErr)
	}
	l, err := config.Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, err
	}
	if gid >= 0 {
		err = os.Chown(socket, -1, gid)
	}
	if err == nil {
		err = os.Chmod(socket, fs.FileMode(mode)) // whatever the umask took
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// clear removes a socket that nobody listens on.
func clear(socket string) error {
	info, err := os.Lstat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("is there and is not a socket; remove it, or name another path (--socket)")
	}
	if conn, err := net.Dial("unix", socket); err == nil {
		conn.Close()
		return errors.New("another program answers there; end it, or name another path (--socket)")
	}
	return os.Remove(socket)
}

// groupID is the number of the group called name, or given as a number.
func groupID(name string) (int, error) {
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w; create it, or name another one", name, err)
	}
	return strconv.Atoi(g.Gid)
}
