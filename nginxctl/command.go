package nginxctl

import (
	"path/filepath"
	"regexp"
	"slices"
)

// A command is a command line taken apart at the word that is nginx.
type command struct {
	wrapper []string // what stands before nginx
	program string   // nginx's word; "nginx" when hidden
	args    []string // nginx's arguments
	hidden  bool     // no word is nginx: the whole is a wrapper
}

var nginxNames = []string{"nginx", "nginx-debug", "openresty"}

func isNginx(word string) bool {
	return slices.Contains(nginxNames, filepath.Base(word))
}

func splitCommand(words []string) command {
	i := slices.IndexFunc(words, isNginx)
	if i < 0 {
		return command{wrapper: words, program: "nginx", hidden: true}
	}
	return command{wrapper: words[:i], program: words[i], args: words[i+1:]}
}

// Serves reports whether a command line runs nginx as a server: its first word
// is nginx, and no option has it show or test something or signal another one,
// or is one that nginx refuses.
func Serves(words []string) bool {
	if len(words) == 0 || !isNginx(words[0]) {
		return false
	}
	serves := true
	command{args: slices.Clone(words[1:])}.eachLetter(func(letter byte, value *string) {
		if letter == 's' || letter != 'q' && value == nil {
			serves = false
		}
	})
	return serves
}

// words is the whole command line, wrapper first, with extra arguments.
func (c command) words(extra ...string) []string {
	w := slices.Clone(c.wrapper)
	if !c.hidden {
		w = append(append(w, c.program), c.args...)
	}
	return append(w, extra...)
}

// direct is nginx's own command line with extra arguments.
func (c command) direct(extra ...string) []string {
	return append(append([]string{c.program}, c.args...), extra...)
}

// Options of nginx's command line that take a value. The value follows in the
// same word or is the next one (ngx_get_options).
const valued = "cepgs"

// option returns the value of the last option -letter, and whether it is there.
func (c command) option(letter byte) (value string, found bool) {
	c.eachOption(func(l byte, v *string) {
		if l == letter {
			value, found = *v, true
		}
	})
	return value, found
}

// withGlobals returns c with the value of every -g passed through edit, or
// with a new -g if there is none and edit makes one from "".
func (c command) withGlobals(edit func(string) string) command {
	c.args = slices.Clone(c.args)
	found := false
	c.eachOption(func(l byte, v *string) {
		if l == 'g' {
			*v = edit(*v)
			found = true
		}
	})
	if !found && !c.hidden {
		if g := edit(""); g != "" {
			c.args = append(c.args, "-g", g)
		}
	}
	return c
}

// eachOption calls f for each option that has a value. What f leaves in the
// value is written back to c.args.
func (c command) eachOption(f func(letter byte, value *string)) {
	c.eachLetter(func(letter byte, value *string) {
		if value != nil {
			f(letter, value)
		}
	})
}

// eachLetter calls f for each option. value is nil where there is none; letter
// is 0 for a word that is no option, which nginx refuses.
func (c command) eachLetter(f func(letter byte, value *string)) {
	for i := 0; i < len(c.args); i++ {
		word := c.args[i]
		if len(word) == 0 || word[0] != '-' {
			f(0, nil)
			continue
		}
		for j := 1; j < len(word); j++ {
			if !slices.Contains([]byte(valued), word[j]) {
				f(word[j], nil)
				continue
			}
			v := word[j+1:]
			if v != "" {
				f(word[j], &v)
				c.args[i] = word[:j+1] + v
			} else if i+1 < len(c.args) {
				i++
				f(word[j], &c.args[i])
			} else {
				f(word[j], nil)
			}
			break
		}
	}
}

// A `daemon` directive as it is written in -g.
var daemonGlobal = regexp.MustCompile(`(^|[;\s])daemon\s+["']?(\w+)["']?\s*;`)

// withoutDaemon takes the daemon directive out of -g: the configuration may
// have one too, and nginx refuses the second.
func (c command) withoutDaemon() command {
	return c.withGlobals(func(g string) string { return daemonGlobal.ReplaceAllString(g, "$1") })
}

// foreground puts `daemon off;` into -g.
func (c command) foreground() command {
	return c.withGlobals(func(g string) string {
		if g == "" {
			return "daemon off;"
		}
		return "daemon off; " + g
	})
}

// daemonOn reports whether -g asks for a daemon.
func (c command) daemonOn() bool {
	g, _ := c.option('g')
	m := daemonGlobal.FindStringSubmatch(g)
	return m != nil && m[2] == "on"
}
