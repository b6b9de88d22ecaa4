package nginxctl

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// FileSet lists the files of the configuration that nginx printed.
func (d *Dump) FileSet() (FileSet, error) {
	if len(d.Files) == 0 {
		return FileSet{}, fmt.Errorf("list nginx's files: nginx printed no configuration")
	}
	w, err := newSetWalk(d.Files[0].Path, d.prefix)
	if err != nil {
		return FileSet{}, err
	}
	for _, f := range d.Files {
		w.name(w.bases.absolute(baseWork, f.Path), roleConfiguration)
		w.text(f.Text)
	}
	for _, l := range d.main {
		if l.file == "-g" {
			w.statement(statement{words: asWords(append([]string{l.name}, l.args...))})
		}
	}
	return w.finish()
}

// FileSet finds the files of n's configuration without nginx's help, by
// following its includes: for a configuration that nginx refuses, and so does not
// print. What a broken file includes after its fault is not in the set.
func (n Nginx) FileSet(ctx context.Context) (FileSet, error) {
	c := n.command()
	_, version, err := n.inspect(ctx, []string{c.program, "-V"}, nil)
	if err != nil {
		return FileSet{}, err
	}
	build := buildOptions(version)
	prefix, conf := build["prefix"], build["conf-path"]
	if p, ok := c.option('p'); ok {
		prefix = p
	}
	if p, ok := c.option('c'); ok {
		conf = p
	}
	if conf == "" {
		conf = "conf/nginx.conf"
	}
	w, err := newSetWalk(bases{Prefix: prefix}.absolute(basePrefix, conf), prefix)
	if err != nil {
		return FileSet{}, err
	}
	return w.follow()
}

// follow adds to the set what its configuration files name now.
func (s FileSet) follow() (FileSet, error) {
	w := setWalk{FileSet: s}
	w.files = maps.Clone(s.files)
	w.globs = slices.Clone(s.globs)
	return w.follow()
}

// setWalk gathers a FileSet.
type setWalk struct {
	FileSet
	scripts, perl        []string // names that are looked for in folders
	scriptDirs, perlDirs []string
}

func newSetWalk(main, prefix string) (*setWalk, error) {
	work, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("list nginx's files: %w", err)
	}
	w := &setWalk{FileSet: FileSet{files: make(map[string]role)}}
	w.bases.Work = work
	w.bases.Prefix = strings.TrimSuffix(w.bases.absolute(baseWork, prefix), "/")
	w.main = w.bases.absolute(baseWork, main)
	w.bases.Conf = w.main[:strings.LastIndexByte(w.main, '/')]
	return w, nil
}

// name adds a file. One that is configuration as well as something else is
// configuration.
func (w *setWalk) name(path string, r role) {
	if old, ok := w.files[path]; !ok || r < old {
		w.files[path] = r
	}
}

func (w *setWalk) text(text string) { scan(text, w.statement) }

func (w *setWalk) statement(s statement) {
	r, ok := w.bases.reference(s)
	if !ok {
		return
	}
	switch r.kind {
	case refInclude:
		if isPattern(r.path) {
			w.globs = append(w.globs, r.path)
		} else {
			w.name(r.path, roleConfiguration)
		}
	case refContent:
		w.name(r.path, roleContent)
	case refProgram:
		w.name(r.path, roleProgram)
	case refScript:
		w.scripts = append(w.scripts, r.path)
	case refScriptDir:
		w.scriptDirs = append(w.scriptDirs, r.path)
	case refPerl:
		w.perl = append(w.perl, r.path)
	case refPerlDir:
		w.perlDirs = append(w.perlDirs, r.path)
	case refLater:
	}
}

// follow reads the main file and all that is included, each once.
func (w *setWalk) follow() (FileSet, error) {
	read := make(map[string]bool)
	next := []string{w.main}
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		if read[path] {
			continue
		}
		read[path] = true
		w.name(path, roleConfiguration)
		var text bytes.Buffer
		if _, err := readFile(path, &text); err != nil {
			return FileSet{}, err
		}
		var failed error
		scan(text.String(), func(s statement) {
			w.statement(s)
			r, ok := w.bases.reference(s)
			if !ok || r.kind != refInclude {
				return
			}
			if !isPattern(r.path) {
				next = append(next, r.path)
				return
			}
			matches, err := glob(r.path)
			if err != nil {
				failed = err
			}
			next = append(next, matches...)
		})
		if failed != nil {
			return FileSet{}, failed
		}
	}
	return w.finish()
}

// finish looks for what is named without its folder.
func (w *setWalk) finish() (FileSet, error) {
	for _, dir := range w.perlDirs {
		for _, name := range w.perl {
			w.name(bases{Work: dir}.absolute(baseWork, name), roleProgram)
		}
	}
	for _, name := range w.scripts {
		if err := w.script(w.bases.Conf, name); err != nil {
			return FileSet{}, err
		}
	}
	slices.Sort(w.globs)
	w.globs = slices.Compact(w.globs)
	return w.FileSet, nil
}

// imported finds what a script imports: import x from 'y'.
var imported = regexp.MustCompile(`\bimport\b[^'"();]*['"]([^'"\n]+)['"]`)

// script adds every file that a script's name may lead to, since one that is
// missing now may come to be found first, and follows their imports. dir is the
// importing script's folder.
func (w *setWalk) script(dir, name string) error {
	for _, dir := range append([]string{dir, w.bases.Conf}, w.scriptDirs...) {
		path := filepath.Clean(bases{Work: dir}.absolute(baseWork, name)) // two scripts may import each other
		if _, known := w.files[path]; known {
			continue
		}
		w.name(path, roleContent)
		var text bytes.Buffer
		if _, err := readFile(path, &text); err != nil {
			return err
		}
		for _, m := range imported.FindAllStringSubmatch(text.String(), -1) {
			if err := w.script(filepath.Dir(path), m[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func asWords(texts []string) []word {
	words := make([]word, len(texts))
	for i, t := range texts {
		words[i].text = t
	}
	return words
}
