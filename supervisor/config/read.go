package config

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text reads a single value.
func (d *decoder) text(n *node, cure string) (string, bool) {
	if n.kind != scalar {
		d.fault(n.place, fmt.Sprintf("%s where a single value belongs", n.kind), cure)
		return "", false
	}
	return n.text, true
}

// number reads a whole number from low to high; what names it.
func (d *decoder) number(n *node, what string, low, high int) (int, bool) {
	cure := fmt.Sprintf("write a number from %d to %d", low, high)
	text, ok := d.text(n, cure)
	if !ok {
		return 0, false
	}
	switch v, err := strconv.Atoi(text); {
	case err != nil:
		d.fault(n.place, fmt.Sprintf("%s is not a whole number", show(text)), cure)
	case v < low || v > high:
		d.fault(n.place, fmt.Sprintf("%s %d is out of range", what, v), cure)
	default:
		return v, true
	}
	return 0, false
}

// duration reads a time with its unit, from low to high; what names it.
func (d *decoder) duration(n *node, what string, low, high time.Duration) (time.Duration, bool) {
	text, ok := d.text(n, "write a number with its unit, such as 500ms, 2s or 1m30s")
	if !ok {
		return 0, false
	}
	v, ok := d.parseDuration(n, text)
	if ok && (v < low || v > high) {
		d.fault(n.place, fmt.Sprintf("%s %s is out of range", what, show(text)), fmt.Sprintf("write a time from %s to %s", short(low), short(high)))
		return 0, false
	}
	return v, ok
}

// parseDuration reads text, which is what n has or a part of it.
func (d *decoder) parseDuration(n *node, text string) (time.Duration, bool) {
	v, err := time.ParseDuration(text)
	if err == nil {
		return v, true
	}
	if _, bare := strconv.ParseFloat(text, 64); bare == nil {
		d.fault(n.place, fmt.Sprintf("%s has no unit", show(text)), fmt.Sprintf("write %ss or %sms", text, text))
	} else {
		d.fault(n.place, fmt.Sprintf("%s is not a time", show(text)), "write a number with its unit and no blank, such as 500ms, 2s or 1m30s")
	}
	return 0, false
}

// short prints d without the zero units that Duration.String ends with.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// word reads one of known; what names it.
func (d *decoder) word(n *node, what string, known ...string) (string, bool) {
	text, ok := d.text(n, "write "+either(known))
	if !ok {
		return "", false
	}
	if !slices.Contains(known, text) {
		d.fault(n.place, fmt.Sprintf("%s is no %s", show(text), what), "write "+either(known))
		return "", false
	}
	return text, true
}

// truth reads true or false.
func (d *decoder) truth(n *node) (bool, bool) {
	text, ok := d.word(n, "truth value", "true", "false")
	return text == "true", ok
}

func either(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// several reads a list of single values; one value may stand for a list of it.
func (d *decoder) several(n *node, cure string) []*node {
	switch n.kind {
	case list:
		return slices.DeleteFunc(slices.Clone(n.items), func(i *node) bool {
			_, ok := d.text(i, cure)
			return !ok
		})
	case scalar:
		return []*node{n}
	}
	d.fault(n.place, fmt.Sprintf("%s where a list belongs", n.kind), cure)
	return nil
}

// name reads a word that will stand in tables, labels and logs.
func (d *decoder) name(n *node, what string) (string, bool) {
	cure := "use letters, digits, dots, dashes and underscores, 63 of them at most"
	text, ok := d.text(n, cure)
	if !ok {
		return "", false
	}
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	}
	if text == "" || len(text) > 63 || strings.ContainsFunc(text, odd) {
		d.fault(n.place, fmt.Sprintf("%s is no name for a %s", show(text), what), cure)
		return "", false
	}
	return text, true
}

// iface reads the name of a network interface, which need not exist yet.
func (d *decoder) iface(n *node) (string, bool) {
	const cure = "name an interface as `ip link` shows it, such as eth0"
	text, ok := d.text(n, cure)
	if !ok {
		return "", false
	}
	odd := func(r rune) bool { return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
	switch {
	case text == "" || text == "." || text == ".." || strings.ContainsFunc(text, odd):
		d.fault(n.place, fmt.Sprintf("%s is no interface name", show(text)), cure)
	case len(text) > 15:
		d.fault(n.place, fmt.Sprintf("%s is longer than the 15 bytes of an interface name", show(text)), cure)
	default:
		return text, true
	}
	return "", false
}

// argv reads a program and its arguments.
func (d *decoder) argv(n *node, example string) ([]string, bool) {
	if n.kind == scalar {
		d.fault(n.place, "a single value where a list belongs", "write the program and each argument apart, as no shell does it: "+example)
		return nil, false
	}
	args := d.several(n, "write single values, such as "+example)
	if n.kind != list || len(args) < len(n.items) {
		return nil, false
	}
	if len(args) == 0 || args[0].text == "" {
		if n.source.rank == rankFlags {
			example = "the program behind it: -- nginx"
		}
		d.fault(n.place, "no program is named", "write "+example)
		return nil, false
	}
	argv := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsRune(a.text, 0) {
			d.fault(a.place, "an argument has a zero byte in it", "leave it out")
			return nil, false
		}
		argv[i] = a.text
	}
	return argv, true
}

// exec reads a program, by its absolute path, and its arguments. The program
// must be there now, so that it is not missed at the first failover.
func (d *decoder) exec(n *node) ([]string, bool) {
	argv, ok := d.argv(n, "[/usr/local/bin/PROGRAM, ARGUMENT]")
	if !ok {
		return nil, false
	}
	path, at := argv[0], n.items[0].place
	info, err := os.Stat(path)
	switch {
	case !filepath.IsAbs(path):
		d.fault(at, fmt.Sprintf("%s is not an absolute path", show(path)), "write the whole path, as no PATH is searched: /usr/local/bin/"+filepath.Base(path))
	case os.IsNotExist(err):
		d.fault(at, fmt.Sprintf("%s does not exist", show(path)), "create it, or correct the path")
	case err != nil:
		d.fault(at, err.Error(), "correct the path or its permissions")
	case info.IsDir():
		d.fault(at, fmt.Sprintf("%s is a directory", show(path)), "name the program in it")
	case info.Mode()&0o111 == 0:
		d.fault(at, fmt.Sprintf("%s is not executable", show(path)), "chmod +x it")
	default:
		return argv, true
	}
	return nil, false
}

// maxSocketPath is what sun_path holds but for its final zero byte, unix(7).
const maxSocketPath = 107

// socket reads the path of a unix socket.
func (d *decoder) socket(n *node) (string, bool) {
	const cure = "write an absolute path of at most 107 bytes, such as /run/ngha/ngha.sock"
	text, ok := d.text(n, cure)
	if !ok {
		return "", false
	}
	switch {
	case !filepath.IsAbs(text) || strings.ContainsRune(text, 0):
		d.fault(n.place, fmt.Sprintf("%s is not an absolute path", show(text)), cure)
	case len(text) > maxSocketPath:
		d.fault(n.place, fmt.Sprintf("the path is %d bytes long, and a socket's takes 107 at most", len(text)), cure)
	default:
		return text, true
	}
	return "", false
}

// folder reads the path of a folder that nginx will find files in. nginx takes
// some letters of a name for a pattern, or for a variable.
func (d *decoder) folder(n *node) (string, bool) {
	const cure = "write an absolute path of letters, digits, dots, dashes and underscores, such as /var/lib/ngha"
	text, ok := d.text(n, cure)
	if !ok {
		return "", false
	}
	switch {
	case !filepath.IsAbs(text):
		d.fault(n.place, fmt.Sprintf("%s is not an absolute path", show(text)), cure)
	case strings.ContainsAny(text, "*?[]\\$\"'\r\n\x00"):
		d.fault(n.place, fmt.Sprintf("nginx would not read %s as it stands", show(text)), cure)
	default:
		return text, true
	}
	return "", false
}

// group reads a group of this system, by name or number. "" is none.
func (d *decoder) group(n *node) (string, bool) {
	const cure = "name a group of this system, or leave it out: then root alone may use the socket"
	text, ok := d.text(n, cure)
	if !ok || text == "" {
		return "", ok
	}
	if _, err := user.LookupGroup(text); err == nil {
		return text, true
	}
	if _, err := strconv.ParseUint(text, 10, 31); err == nil {
		return text, true
	}
	d.fault(n.place, fmt.Sprintf("there is no group %s", show(text)), cure)
	return "", false
}

// listen reads host:port, or "" or "off".
func (d *decoder) listen(n *node) (string, bool) {
	const cure = "write HOST:PORT, such as 127.0.0.1:9650 or :9650, or off"
	text, ok := d.text(n, cure)
	if !ok || text == "" || text == "off" {
		return "", ok
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil:
		d.fault(n.place, fmt.Sprintf("%s is no address to listen on", show(text)), cure)
	case !validPort(port):
		d.fault(n.place, fmt.Sprintf("%s is no port", show(port)), "use a number from 1 to 65535")
	case host != "" && net.ParseIP(host) == nil && !isHostName(host):
		d.fault(n.place, fmt.Sprintf("%s is neither an address nor a host name", show(host)), cure)
	default:
		return text, true
	}
	return "", false
}

func validPort(s string) bool {
	p, err := strconv.ParseUint(s, 10, 16)
	return err == nil && p > 0
}
