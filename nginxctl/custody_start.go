package nginxctl

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// bequeath returns copies of all sockets for a child, which the caller closes,
// and their inodes.
func (c *Custody) bequeath() (files []*os.File, inodes map[uint64]bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	inodes = make(map[uint64]bool)
	for _, s := range c.held {
		fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil, nil, fmt.Errorf("copy the socket of %v: %w", s.at, err)
		}
		// Made of a descriptor that does not block, the file leaves it so.
		files = append(files, os.NewFile(uintptr(fd), s.at.String()))
		inodes[s.inode] = true
	}
	return files, inodes, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// firstInherited is the descriptor at which inherited sockets begin. Scripts
// use those below 10 by number, and shells keep some from 10 on to themselves.
const firstInherited = 100

// inheritance lays files out for exec.Cmd's ExtraFiles, which begin at 3, and
// says the same in nginx's words.
func inheritance(files []*os.File) (extra []*os.File, env string) {
	var b strings.Builder
	b.WriteString("NGINX=")
	for i := range files {
		b.WriteString(strconv.Itoa(firstInherited+i) + ";")
	}
	return append(make([]*os.File, firstInherited-3), files...), b.String()
}

// abandon closes what was opened for a master that did not come to run.
func (c *Custody) abandon() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	c.drop(func(s socket) bool {
		if !s.proven {
			errs = append(errs, s.remove())
		}
		return !s.proven
	})
	return errors.Join(errs...)
}

// syncCustody brings the custody in step. What goes wrong is told by Uncovered.
func (m *Master) syncCustody() { _ = m.custody.Sync(m) }

// robbed reports whether nginx has been executed, and without what it was to
// inherit. It can be told until nginx takes its title, which overwrites its
// environment.
func (m *Master) robbed() bool {
	if len(m.given) == 0 {
		return false
	}
	env, err := readProc(m.pid, "environ")
	if err != nil {
		return false
	}
	open, err := openSockets(m.pid)
	if err != nil {
		return false
	}
	if p, err := readProcess(m.pid); err != nil || !isNginx(p.Title) || strings.HasPrefix(p.Title, "nginx: ") {
		return false
	}
	if !strings.Contains("\x00"+string(env), "\x00NGINX=") {
		return true
	}
	for inode := range open {
		if m.given[inode] {
			return false
		}
	}
	return true
}
