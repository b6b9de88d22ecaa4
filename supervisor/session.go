package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sessions remembers the process session that nginx runs in, in a file beside
// the control socket, so that an ngha whose predecessor was killed knows which
// nginx is its own. It is no pid file: a number that means nothing any more
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

// read returns the last session written; 0: none.
func (s sessions) read() (int, error) {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	here, err := where()
	if err != nil {
		return 0, err
	}
	number, there, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if there != here {
		return 0, nil
	}
	session, err := strconv.Atoi(number)
	if err != nil {
		return 0, fmt.Errorf("%s: %w (remove the file if no nginx of an earlier ngha runs)", s.path, err)
	}
	return session, nil
}

// write replaces what was remembered, whole or not at all.
func (s sessions) write(session int) error {
	here, err := where()
	if err != nil {
		return err
	}
	temporary := s.path + ".new"
	if err := os.WriteFile(temporary, fmt.Appendln(nil, session, here), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, s.path)
}
