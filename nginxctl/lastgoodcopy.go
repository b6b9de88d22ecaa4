package nginxctl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fill copies the files of a set, if they are as they were loaded.
func (m mirror) fill(ctx context.Context, s FileSet, loaded Snapshot) error {
	paths, err := s.Paths()
	if err != nil {
		return err
	}
	held := Snapshot{sums: make(map[string]fileSum, len(paths))}
	texts := make(map[string]string)
	at := make(map[string]fileSum)
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		r := s.role(path)
		sum, err := m.file(path, r, texts)
		if err != nil {
			return err
		}
		held.sums[path] = sum
		if sum.Kind != fileRegular || r == roleProgram {
			continue
		}
		m.copied[path] = true
		// With symbolic links, a/../b need not be b.
		if other, ok := at[m.of(path)]; ok && other != sum {
			return fmt.Errorf("%s is another file than %s: write one of them without `..`", path, filepath.Clean(path))
		}
		at[m.of(path)] = sum
	}
	if held.Digest() != loaded.Digest() {
		return &ChangedError{Paths: changed(loaded, held)}
	}
	// Only now is it known which files have a copy.
	for path, text := range texts {
		if err := m.write(path, []byte(m.rewrite(text, s.bases))); err != nil {
			return err
		}
	}
	return nil
}

// file copies one file, but keeps a configuration's text, which is to be
// rewritten.
func (m mirror) file(path string, r role, texts map[string]string) (fileSum, error) {
	switch r {
	case roleConfiguration:
		var text bytes.Buffer
		sum, err := readFile(path, &text)
		if sum.Kind == fileRegular {
			texts[path] = text.String()
		}
		return sum, err
	case roleContent:
		to := lazyFile{path: m.of(path)}
		sum, err := readFile(path, &to)
		if err == nil && sum.Kind == fileRegular {
			err = to.open() // an empty one too
		}
		if closed := to.Close(); err == nil {
			err = closed
		}
		return sum, err
	default:
		return readFile(path, io.Discard)
	}
}

// lazyFile is made when something is written to it, private to us.
type lazyFile struct {
	path string
	file *os.File
}

func (l *lazyFile) open() error {
	if l.file != nil {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(l.path), 0o700)
	if err == nil {
		l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	return err
}

func (l *lazyFile) Write(b []byte) (int, error) {
	if err := l.open(); err != nil {
		return 0, err
	}
	return l.file.Write(b)
}

func (l *lazyFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func (m mirror) write(path string, text []byte) error {
	to := lazyFile{path: m.of(path)}
	_, err := to.Write(text)
	if closed := to.Close(); err == nil {
		err = closed
	}
	return err
}

// prove has nginx test the copy, and makes sure that it reads the same files: an
// include's pattern that matches nothing is no fault for nginx.
func (m mirror) prove(ctx context.Context, n Nginx, s FileSet) error {
	d, err := n.withConf(m.of(s.main)).Dump(ctx)
	if err != nil {
		return err
	}
	want := make(map[string]bool)
	for path := range m.copied {
		if s.role(path) == roleConfiguration {
			want[m.of(path)] = true
		}
	}
	for _, f := range d.Files {
		delete(want, filepath.Clean(f.Path))
	}
	if len(want) > 0 {
		return fmt.Errorf("nginx leaves out of it: %s", strings.Join(slices.Sorted(maps.Keys(want)), ", "))
	}
	return nil
}
