package nginxctl

import (
	"path/filepath"
	"strings"
)

// mirror is where copies of files are kept: under root, by the names which they
// have at home. Folders keep their places to one another, so that patterns match
// in the copy what they matched at home, and scripts find those they import.
type mirror struct {
	root   string
	copied map[string]bool // by absolute name
}

// of is where a file's copy is or would be.
func (m mirror) of(path string) string { return m.root + filepath.Clean(path) }

// rewrite makes a configuration text name the copies. The copy's main file has
// another folder than the original, so that names relative to it, which nginx
// resolves when it serves a request, become absolute. All else stays: nginx's
// prefix and working folder are the same.
func (m mirror) rewrite(text string, b bases) string {
	var out strings.Builder
	done := 0
	scan(text, func(s statement) {
		r, ok := b.reference(s)
		if !ok {
			return
		}
		to := ""
		switch r.kind {
		case refInclude:
			to = r.path
			if isPattern(r.path) || m.copied[r.path] {
				to = m.of(r.path)
			}
		case refContent:
			to = r.path
			if m.copied[r.path] {
				to = m.of(r.path)
			}
		case refScript:
			// A relative name is looked for in the same folders, mirrored.
			if m.copied[r.path] {
				to = m.of(r.path)
			}
		case refScriptDir:
			to = m.of(r.path)
		case refLater:
			to = r.path
		case refProgram, refPerl, refPerlDir:
		}
		if to == "" {
			return
		}
		w := s.words[r.word]
		out.WriteString(text[done:w.start])
		out.WriteString(quoteWord(to))
		done = w.end
	})
	out.WriteString(text[done:])
	return out.String()
}
