package nginxctl

import (
	"path/filepath"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// A directive is one statement of the configuration.
type directive struct {
	file  string
	line  int
	name  string
	args  []string
	block []directive // nil for a simple directive
}

// parse takes a file's text apart. nginx has accepted the text; whatever the
// lexer does not understand nevertheless ends the list early, since what was
// found so far still counts.
func parse(file, text string) []directive {
	tokens := crossplane.LexWithOptions(strings.NewReader(text), crossplane.LexOptions{
		Lexers: []crossplane.RegisterLexer{registerLua()},
	})
	list, _ := parseBlock(file, tokens)
	for range tokens { // the lexer's goroutine ends when all is taken
	}
	return list
}

// parseBlock reads directives up to the closing brace or the end.
func parseBlock(file string, tokens <-chan crossplane.NgxToken) (list []directive, ok bool) {
	list = []directive{}
	var words []string
	var line int
	for t := range tokens {
		switch {
		case t.Error != nil:
			return list, false
		case !t.IsQuoted && strings.HasPrefix(t.Value, "#"):
			continue
		case !t.IsQuoted && t.Value == "}":
			return list, true
		case !t.IsQuoted && (t.Value == ";" || t.Value == "{"):
			var d directive
			if len(words) > 0 {
				d = directive{file: file, line: line, name: words[0], args: words[1:]}
			}
			ok := true
			if t.Value == "{" {
				d.block, ok = parseBlock(file, tokens)
			}
			if len(words) > 0 {
				list = append(list, d)
			}
			if !ok {
				return list, false
			}
			words = nil
		default:
			if len(words) == 0 {
				line = t.Line
			}
			words = append(words, t.Value)
		}
	}
	return list, true
}

// expand parses the files and puts each include's directives in its place.
func expand(files []File) []directive {
	if len(files) == 0 {
		return nil
	}
	byPath := make(map[string][]directive, len(files))
	for _, f := range files {
		byPath[f.Path] = parse(f.Path, f.Text)
	}
	e := expander{byPath: byPath, dir: filepath.Dir(files[0].Path)}
	return e.file(files[0].Path)
}

type expander struct {
	byPath map[string][]directive
	dir    string   // where relative includes begin
	within []string // files being expanded; one of them again has no end
}

func (e expander) file(path string) []directive {
	if slices.Contains(e.within, path) {
		return nil
	}
	e.within = append(slices.Clone(e.within), path)
	return e.list(e.byPath[path])
}

func (e expander) list(in []directive) []directive {
	out := make([]directive, 0, len(in))
	for _, d := range in {
		if d.name != "include" || len(d.args) != 1 {
			if d.block != nil {
				d.block = e.list(d.block)
			}
			out = append(out, d)
			continue
		}
		for _, path := range e.matches(d.args[0]) {
			out = append(out, e.file(path)...)
		}
	}
	return out
}

// matches lists the files that an include names. Which of them exist, nginx has
// said already.
func (e expander) matches(pattern string) []string {
	if !filepath.IsAbs(pattern) {
		pattern = e.dir + "/" + pattern
	}
	if _, ok := e.byPath[pattern]; ok {
		return []string{pattern}
	}
	pattern = strings.ReplaceAll(pattern, "[!", "[^") // glob(3)'s way to negate
	var paths []string
	for path := range e.byPath {
		if ok, err := filepath.Match(pattern, path); err == nil && ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// first returns the arguments of the first directive called name in list.
func first(list []directive, name string) []string {
	for _, d := range list {
		if d.name == name {
			return d.args
		}
	}
	return nil
}

// each calls f for list and all that is nested in it.
func each(list []directive, f func(directive)) {
	for _, d := range list {
		f(d)
		each(d.block, f)
	}
}
