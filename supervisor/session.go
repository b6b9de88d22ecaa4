package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ngha/nginxctl"
)

// sessions remembers the process sessions that nginx runs in (two while one
// master takes over from another) in a file beside the control socket, so that
// an ngha whose predecessor was killed knows which nginx is its own. It is no
// pid file: a number that means nothing any more
// has no nginx process in it and is passed over, and so is one of another boot
// or another container.
type sessions struct{ path string }

// where is what a session's number is good for: this boot of the machine and
// this namespace of processes.
func where() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + " " + namespace, nil
}

func newSessions(socket string) sessions {
	return sessions{path: strings.TrimSuffix(socket, filepath.Ext(socket)) + ".nginx-session"}
}

// read returns the sessions last written.
func (s sessions) read() ([]int, error) {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	here, err := where()
	if err != nil {
		return nil, err
	}
	there, numbers, _ := strings.Cut(strings.TrimSpace(string(text)), ": ")
	if there != here {
		return nil, nil
	}
	var list []int
	for _, number := range strings.Fields(numbers) {
		session, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (remove the file if no nginx of an earlier ngha runs)", s.path, err)
		}
		list = append(list, session)
	}
	return list, nil
}

// write replaces what was remembered, whole or not at all.
func (s sessions) write(list ...int) error {
	here, err := where()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(here + ":")
	for _, session := range list {
		fmt.Fprintf(&b, " %d", session)
	}
	// In a folder that is everybody's nobody else may have made it, nor keep it.
	temporary := s.path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String() + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, s.path)
}

// leftovers lists the processes of nginx in the sessions remembered.
func (s sessions) leftovers() (list []int, left []nginxctl.Process, err error) {
	if list, err = s.read(); err != nil {
		return nil, nil, err
	}
	for _, session := range list {
		procs, err := nginxctl.Leftovers(session)
		if err != nil {
			return nil, nil, err
		}
		left = append(left, procs...)
	}
	return list, left, nil
}
