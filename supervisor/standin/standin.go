// Package standin learns the environment in which an image's entrypoint executes
// nginx. The entrypoint is somebody else's program, which makes preparations,
// exports what it likes, and executes its arguments in the end, the first of
// which is the word nginx. It finds this program under that name: a folder that
// comes first in its PATH has a link. Act, with which main begins, notes the
// environment down in that folder and executes the nginx that comes next in PATH.
package standin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Folder has the link, and the environment.
type Folder struct{ path string }

// notes is the file with the environment. Whoever executes the link has it
// written anew: what remains is the entrypoint's last word, and not what one of
// its scripts asked nginx before.
const notes = "environment"

// New makes a folder in another one, with a link of that name.
func New(in, name string) (_ *Folder, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(in, "entrypoint-")
	if err != nil {
		return nil, err
	}
	f := &Folder{path}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.WriteFile(filepath.Join(path, notes), nil, 0o600); err != nil {
		return nil, err
	}
	return f, os.Symlink(self, filepath.Join(path, name))
}

// Close removes the folder.
func (f *Folder) Close() error { return os.RemoveAll(f.path) }

// Lead returns environ with the folder first in its PATH.
func (f *Folder) Lead(environ []string) []string {
	return withPath(environ, func(folders []string) []string { return slices.Insert(folders, 0, f.path) })
}

// Environ returns what the link was executed with, but for the folder in PATH, or
// nil where it was not executed: the entrypoint found its nginx elsewhere.
func (f *Folder) Environ() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(f.path, notes))
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
}

// exitNotFound is a shell's exit code for a command that is not there.
const exitNotFound = 127

// Act does nothing in a program that was not executed by the link of a Folder,
// and does not return in one that was.
func Act() {
	name := filepath.Base(os.Args[0])
	folder := stage(name)
	if folder == "" {
		return
	}
	file, err := os.OpenFile(filepath.Join(folder, notes), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return // a link of somebody else's
	}
	environ := withPath(os.Environ(), func(folders []string) []string {
		return slices.DeleteFunc(folders, func(f string) bool { return f == folder })
	})
	_, err = file.WriteString(strings.Join(environ, "\x00") + "\x00")
	err = errors.Join(err, file.Close(), execute(name, environ))
	fmt.Fprintf(os.Stderr, "ngha: run %s: %v\n", name, err)
	os.Exit(exitNotFound)
}

// stage is the folder in PATH with a link of that name to this program, or "".
func stage(name string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		if to, err := os.Readlink(filepath.Join(folder, name)); err == nil && to == self {
			return folder
		}
	}
	return ""
}

// execute puts the program of that name in this one's place.
func execute(name string, environ []string) error {
	for _, kv := range environ {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			os.Setenv("PATH", path)
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(path, os.Args, environ))
}

// withPath returns environ with the folders of its PATH passed through edit.
func withPath(environ []string, edit func([]string) []string) []string {
	environ = slices.Clone(environ)
	for i, kv := range environ {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			environ[i] = "PATH=" + strings.Join(edit(filepath.SplitList(path)), string(filepath.ListSeparator))
		}
	}
	return environ
}
