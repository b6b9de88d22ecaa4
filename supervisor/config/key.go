package config

import (
	"fmt"
	"slices"
	"strings"
)

// key is one key of a mapping that makes a T: everything there is to know of it.
type key[T any] struct {
	name  string
	value string // the default, as one would write it in the file; "": none
	flag  string // "": the file alone can say it
	arg   string // what stands for the flag's value in help texts
	many  bool   // the flag may be repeated
	quiet bool   // the environment can say it and no flag: whoever is on the machine can read those
	help  string // one line
	read  func(d *decoder, n *node, to *T)
	below []Setting // of a nested mapping
}

// keys are all keys of a mapping that makes a T.
type keys[T any] []key[T]

// within returns the key of a mapping inside a mapping.
func within[T, U any](name string, ks keys[U], of func(*T) *U) key[T] {
	return key[T]{
		name:  name,
		value: "{}",
		read:  func(d *decoder, n *node, to *T) { decode(d, n, ks, of(to)) },
		below: ks.settings(name + "."),
	}
}

// each returns the key of a list of mappings. After all were read, together
// checks what the readers of their keys cannot.
func each[T, U any](name string, ks keys[U], of func(*T) *[]U, together func(*decoder, []*node, []U)) key[T] {
	read := func(d *decoder, n *node, to *T) {
		if n.kind != list {
			d.fault(n.place, fmt.Sprintf("%s is %s where a list belongs", name, n.kind), "begin each entry with a dash: `- name: ...`")
			return
		}
		us := make([]U, len(n.items))
		for i, item := range n.items {
			decode(d, item, ks, &us[i])
		}
		together(d, n.items, us)
		*of(to) = us
	}
	return key[T]{name: name, read: read, below: ks.settings(name + "[].")}
}

// decoder reads a tree and collects what is wrong with it.
type decoder struct {
	faults   Errors
	settings []Setting // all there are, to say where a misplaced key belongs
}

func (d *decoder) fault(p place, what, cure string) {
	d.faults = append(d.faults, fault(p, what, cure))
}

// decode reads mapping n into to, defaults included. Keys are read in the order
// of the table.
func decode[T any](d *decoder, n *node, ks keys[T], to *T) {
	if !n.keyed() {
		d.fault(n.place, fmt.Sprintf("%s where a mapping belongs", n.kind), "write `key: value` with one of the keys "+strings.Join(ks.names(), ", "))
		n = &node{place: n.place}
	}
	seen := make(map[string]place)
	for _, e := range n.entries {
		name := e.key.text
		if first, twice := seen[name]; twice {
			d.fault(e.key.place, fmt.Sprintf("%s is here for the second time", show(name)), fmt.Sprintf("the first one is in line %d: keep one of them", first.line))
		}
		seen[name] = e.key.place
		if !slices.Contains(ks.names(), name) {
			d.fault(e.key.place, fmt.Sprintf("unknown key %s", show(name)), d.unknownKeyCure(name, ks.names()))
		}
	}
	for _, k := range ks {
		if v, ok := n.child(k.name); ok {
			k.read(d, v, to)
		} else if k.value != "" {
			k.read(d, defaultValue(k.value), to)
		}
	}
}

// defaultValue returns the tree of a default. Defaults come from the tables, so
// that a broken one is a bug.
func defaultValue(text string) *node {
	n, err := parse(&source{name: "default"}, []byte(text))
	if err != nil {
		panic(err)
	}
	return n
}

func (ks keys[T]) names() []string {
	names := make([]string, len(ks))
	for i, k := range ks {
		names[i] = k.name
	}
	return names
}

func (ks keys[T]) settings(prefix string) []Setting {
	var ss []Setting
	for _, k := range ks {
		if k.below == nil {
			ss = append(ss, Setting{Key: prefix + k.name, Flag: k.flag, Arg: k.arg, Many: k.many, Quiet: k.quiet, Default: k.value, Help: k.help})
		}
		for _, s := range k.below {
			s.Key = prefix + s.Key
			ss = append(ss, s)
		}
	}
	return ss
}

// unknownKeyCure says what may have been meant by name.
func (d *decoder) unknownKeyCure(name string, known []string) string {
	if says, ok := keepalived[name]; ok {
		return says
	}
	if k := Nearest(name, known); k != "" {
		return fmt.Sprintf("did you mean %s?", k)
	}
	for _, s := range d.settings {
		if path := strings.Split(s.Key, "."); len(path) > 1 && path[len(path)-1] == name {
			return fmt.Sprintf("%s is a key of %s; here are known: %s", name,
				strings.TrimSuffix(strings.Join(path[:len(path)-1], "."), "[]"), strings.Join(known, ", "))
		}
	}
	return "known here: " + strings.Join(known, ", ")
}

// keepalived says for keepalived's words what to write instead.
var keepalived = map[string]string{
	"virtual_router_id": "write `vrid: N`",
	"virtual_ipaddress": "write `addresses: [ADDRESS, ...]`",
	"advert_int":        "write `interval: 1s`, with its unit",
	"unicast_peer":      "write `peers: [ADDRESS, ...]`",
	"nopreempt":         "write `failback: never`",
	"preempt":           "write `failback: now`",
	"preempt_delay":     "write `failback: after 30s`",
	"vrrp_version":      "write `version: 3`",
	"vrrp_instance":     "write a list, `virtual_routers:`",
	"track_script":      "write a list, `checks:`, beside virtual_routers",
	"vrrp_script":       "write a list, `checks:`, beside virtual_routers",
	"track_interface":   "write `checks: [{name: NAME, link: INTERFACE}]`, beside virtual_routers",
	"notify":            "write a list, `hooks:`, beside virtual_routers",
	"notify_master":     "write `hooks: [{on: active, exec: [PROGRAM]}]`, beside virtual_routers",
	"notify_backup":     "write `hooks: [{on: backup, exec: [PROGRAM]}]`, beside virtual_routers",
	"notify_stop":       "write `hooks: [{on: stopped, exec: [PROGRAM]}]`, beside virtual_routers",
	"router_id":         "write `node: NAME`",
	"weight":            "leave it out: there are no weights, an ill node steps down",
	"state":             "leave it out: every node begins as backup, the priority decides",
	"authentication":    "write `password` or `password_file`, with `version: 2`",
	"auth_type":         "leave it out, and write `password` or `password_file`, with `version: 2`",
	"auth_pass":         "write `password`, or `password_file`, with `version: 2`",
	"auth_hmac":         "write `auth: {keys_file: FILE}`",
	"virtual_routes":    "leave it out: routes are the host's own business",
}

// Nearest returns the one of known that was perhaps meant by name, or "": a slip
// or two of the keys away, or longer or shorter at the end.
func Nearest(name string, known []string) string {
	best, least := "", 1+min(2, max(1, len(name)/3))
	for _, k := range known {
		if n := slips(name, k); n < least {
			best, least = k, n
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(k, name) || strings.HasPrefix(name, k) {
			return k
		}
	}
	return ""
}

// slips counts the letters to put in, leave out, change or swap with their
// neighbour until a is b.
func slips(a, b string) int {
	if max(len(a), len(b)) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
