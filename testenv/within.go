package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runWithin runs the command in "$@" with a root, after the paths that it shares
// with this machine. $0 is the working directory.
const runWithin = `set -e
mount --make-rprivate /
` + raiseRoot + `
mount -t tmpfs -o mode=755 tmpfs "$at/run"
` + enterRoot + `
cd "$0"
exec "$@"`

// RunWithin becomes a program that runs in the root file system of a Debian
// release, with this machine's processes and network, and which sees of its files
// those for temporary use and those of the module that the working directory
// belongs to. It returns an error, or never.
func RunWithin(suite string, command ...string) error {
	if len(command) == 0 {
		return errors.New("no command")
	}
	r, err := openRoot(suite)
	if err != nil {
		return fmt.Errorf("there is no root file system of Debian %s, which `testenv/root %s` makes: %w", suite, suite, err)
	}
	// The lock is held by whoever has the file open: the program, from now on.
	if _, err := unix.FcntlInt(r.lock.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keep the lock of %s: %w", suite, err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	shared := []string{r.dir, "/dev", "/proc", "/sys", os.TempDir(), filepath.Dir(strings.TrimSpace(string(mod))), "--"}
	args := slices.Concat([]string{"unshare", "--mount", "sh", "-c", runWithin, dir}, shared, command)
	return syscall.Exec(unshare, args, os.Environ())
}
