package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// isPattern reports whether nginx takes an include's name for a pattern. The
// folder before a relative name counts too.
func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// matchName matches one part of a path as glob(3) does: a leading dot must be
// written out.
func matchName(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, err := filepath.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return ok || err != nil && pattern == name
}

// glob lists what a pattern matches, in order. A folder that is not there, or
// that may not be read, holds nothing, as for nginx.
func glob(pattern string) ([]string, error) {
	paths := []string{""}
	for i, part := range strings.Split(pattern, "/") {
		var next []string
		for _, p := range paths {
			if i > 0 {
				p += "/"
			}
			if !isPattern(part) {
				next = append(next, p+part)
				continue
			}
			names, err := matching(p, part)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				next = append(next, p+name)
			}
		}
		paths = next
	}
	found := paths[:0]
	for _, p := range paths {
		if _, err := os.Lstat(p); err == nil {
			found = append(found, p)
		} else if !isAbsent(err) {
			return nil, fmt.Errorf("glob: %w", err)
		}
	}
	return found, nil
}

// matching lists the names in a folder that match, in order.
func matching(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if isAbsent(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("glob: %w", err)
	}
	var names []string
	for _, e := range entries {
		if matchName(pattern, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isAbsent tells a file that is not there for nginx, until somebody changes
// something, from one that could not be looked at just now.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}
