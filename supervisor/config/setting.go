package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Setting is one thing that can be configured: by a key of the file, and, where
// Flag says so, by a flag and an environment variable.
type Setting struct {
	Key     string // "nginx.shutdown", "virtual_routers[].vrid"; "" for --config
	Flag    string // without dashes; "": the file alone
	Arg     string // what stands for the flag's value in help texts
	Many    bool   // the flag may be repeated and take several values with commas
	Quiet   bool   // a secret: there is the environment variable, and no flag
	Default string // as one would write it in the file; "": none
	Help    string // one line
}

// Env returns the name of the environment variable, "" where there is none.
func (s Setting) Env() string {
	if s.Flag == "" {
		return ""
	}
	return "NGHA_" + strings.ToUpper(strings.ReplaceAll(s.Flag, "-", "_"))
}

// DefaultFile is the configuration file that is read, if it exists, when none is
// named.
const DefaultFile = "/etc/ngha/ngha.yaml"

var configSetting = Setting{Flag: "config", Arg: "FILE", Default: DefaultFile, Help: "the configuration file; the default one need not exist"}

// Settings returns everything that can be configured, --config first and the
// rest in the order of the documentation.
func Settings() []Setting {
	return append([]Setting{configSetting}, rootKeys.settings("")...)
}

// A Flag is one flag as it was given on the command line.
type Flag struct{ Name, Value string }

// Sources are what a configuration is made of. Flags win over the environment,
// the environment wins over the file.
type Sources struct {
	Flags   []Flag   // in the order given; of a repeated one the last wins, or all count where Many
	Environ []string // "NGHA_VRID=51" and others, which are ignored; an empty value is as good as none
	Command []string // what follows --; nil: no -- was given
	File    string   // read when nothing names another and it exists; "" means DefaultFile
}

// given is a setting and the value that it was given.
type given struct {
	Setting
	value *node
}

// given returns the settings that flags and environment give, in the order of
// Settings, and the faults of names that nobody knows.
func (s Sources) given() ([]given, Errors) {
	env, faults := s.environment()
	var out []given
	for _, setting := range Settings() {
		if setting.Flag == "" {
			continue
		}
		n := env[setting.Env()]
		var values []string
		for _, f := range s.Flags {
			if f.Name == setting.Flag && !setting.Quiet {
				values = append(values, f.Value)
			}
		}
		if len(values) > 0 {
			n = setting.node(&source{name: "--" + setting.Flag, rank: rankFlags}, values...)
		}
		if n != nil {
			out = append(out, given{setting, n})
		}
	}
	if s.Command != nil {
		at := place{source: &source{name: "--", rank: rankFlags}}
		n := &node{place: at, kind: list}
		for _, word := range s.Command {
			n.items = append(n.items, &node{place: at, kind: scalar, text: word})
		}
		out = append(out, given{Setting{Key: "nginx.command"}, n})
	}
	return out, faults
}

// environment returns what the variables say, by their names.
func (s Sources) environment() (map[string]*node, Errors) {
	settings := make(map[string]Setting)
	var names []string
	for _, setting := range Settings() {
		if name := setting.Env(); name != "" {
			settings[name] = setting
			names = append(names, name)
		}
	}
	out := make(map[string]*node)
	var faults Errors
	for _, kv := range slices.Sorted(slices.Values(s.Environ)) {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "NGHA_") || value == "" || serviceLink.MatchString(name) {
			continue
		}
		from := &source{name: name, rank: rankEnvironment}
		if setting, known := settings[name]; known {
			out[name] = setting.node(from, value)
			continue
		}
		cure := "known are " + strings.Join(names, ", ")
		if k := Nearest(name, names); k != "" {
			cure = fmt.Sprintf("did you mean %s?", k)
		}
		faults = append(faults, fault(place{source: from}, "ngha knows no such variable", cure))
	}
	return out, faults
}

// serviceLink matches the variables that Kubernetes and Docker make for a
// service that happens to be called ngha, or ngha-something.
var serviceLink = regexp.MustCompile(`^NGHA_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$`)

// node returns the value that values, of a flag or a variable, mean.
func (s Setting) node(from *source, values ...string) *node {
	at := place{source: from}
	if !s.Many {
		return &node{place: at, kind: scalar, text: values[len(values)-1]}
	}
	n := &node{place: at, kind: list}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			n.items = append(n.items, &node{place: at, kind: scalar, text: strings.TrimSpace(part)})
		}
	}
	return n
}

// overlay puts what was given into the file's tree. A virtual router's setting
// means the one that the file has, or makes one; where the file has several it
// is a fault.
func overlay(root *node, gs []given) (*node, Errors) {
	var several []given
	copied := *root
	for _, g := range gs {
		if !set(&copied, strings.Split(g.Key, "."), g.value) {
			several = append(several, g)
		}
	}
	if len(several) == 0 {
		return &copied, nil
	}
	names := make([]string, len(several))
	for i, g := range several {
		names[i] = g.value.source.name
	}
	return &copied, Errors{fault(several[0].value.place,
		"the file has several virtual routers, and this could mean any of them",
		fmt.Sprintf("leave out %s, and write it into the file where it is meant", strings.Join(names, ", ")))}
}

// set gives n the value v at path. What is on the way is copied, since an alias
// may share it. It reports false where path leads to several virtual routers.
// Where it leads to something of another kind than it should, that is left for
// the decoder to complain about.
func set(n *node, path []string, v *node) bool {
	if n.kind == absent {
		*n = node{place: v.place, kind: mapping}
	}
	if n.kind != mapping {
		return true
	}
	name, isList := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		n.put(name, v)
		return true
	}
	below := node{place: v.place, kind: mapping}
	if isList {
		below.kind = list
	}
	if c, ok := n.child(name); ok {
		below = *c
	}
	ok := true
	if isList {
		ok = setOnly(&below, path[1:], v)
	} else {
		ok = set(&below, path[1:], v)
	}
	n.put(name, &below)
	return ok
}

// setOnly is set for the only item of a list, which is made where it has none.
func setOnly(n *node, path []string, v *node) bool {
	if n.kind != list {
		return true
	}
	if len(n.items) > 1 {
		return false
	}
	item := node{place: v.place, kind: mapping}
	if len(n.items) == 1 {
		item = *n.items[0]
	}
	ok := set(&item, path, v)
	n.items = []*node{&item}
	return ok
}
