package nginxctl

import (
	"context"
	"path/filepath"
	"strings"
)

// Dump is nginx's whole configuration as nginx itself reads it.
type Dump struct {
	Files []File // the main file first, then as nginx came upon them

	main    []directive       // the whole, includes put in their places
	prefix  string            // where relative names of logs and pid files begin
	build   map[string]string // nginx's defaults by the names of its configure options
	version string            // of nginx
	guessed bool              // a wrapper hides nginx, and may run it with another configuration
}

// File is one file of the configuration.
type File struct {
	Path string // absolute
	Text string
}

// Dump has nginx test and print its configuration. An invalid one is a
// *TestError. For a command that hides nginx it asks plain `nginx`.
func (n Nginx) Dump(ctx context.Context) (*Dump, error) {
	c := n.command().withoutDaemon()
	text, _, err := n.inspect(ctx, c.direct("-T"), nil)
	if err != nil {
		return nil, err
	}
	_, version, err := n.inspect(ctx, []string{c.program, "-V"}, nil)
	if err != nil {
		return nil, err
	}
	build := buildOptions(version)
	if log, ok := c.option('e'); ok {
		build["error-log-path"] = log
	}
	globals, _ := c.option('g')
	prefix, _ := c.option('p')
	d := newDump(splitDump(text), globals, prefix, build)
	d.guessed, d.version = c.hidden, programVersion(version)
	return d, nil
}

func newDump(files []File, globals, prefix string, build map[string]string) *Dump {
	d := &Dump{Files: files, prefix: prefix, build: build}
	if d.prefix == "" {
		d.prefix = build["prefix"]
	}
	d.main = append(parse("-g", globals), expand(files)...)
	return d
}

const fileMarker = "# configuration file "

// splitDump takes what `nginx -T` printed apart into files. nginx puts a line
// with the file's name before each file, and a line end after it.
func splitDump(text string) []File {
	var files []File
	var body strings.Builder
	finish := func() {
		if len(files) > 0 {
			files[len(files)-1].Text = strings.TrimSuffix(body.String(), "\n")
		}
		body.Reset()
	}
	for line := range strings.Lines(text) {
		name, marked := strings.CutPrefix(line, fileMarker)
		if name, colon := strings.CutSuffix(name, ":\n"); marked && colon {
			finish()
			files = append(files, File{Path: name})
			continue
		}
		body.WriteString(line)
	}
	finish()
	return files
}

// buildOptions reads nginx's configure arguments from what `nginx -V` printed:
// "pid-path" -> "/run/nginx.pid".
func buildOptions(version string) map[string]string {
	options := make(map[string]string)
	for word := range strings.FieldsSeq(version) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(word, "--"), "="); ok && strings.HasPrefix(word, "--") {
			options[name] = value
		}
	}
	return options
}

// programVersion reads nginx's version from what `nginx -V` printed.
func programVersion(text string) string {
	_, rest, _ := strings.Cut(text, "nginx version: ")
	word, _, _ := strings.Cut(rest, "\n")
	_, number, _ := strings.Cut(word, "/")
	number, _, _ = strings.Cut(number, " ")
	return number
}

// Version is that of the nginx which was asked, such as "1.22.1"; "" if it does
// not say.
func (d *Dump) Version() string { return d.version }

// Guessed reports whether a wrapper hides nginx, which may have been given another
// configuration.
func (d *Dump) Guessed() bool { return d.guessed }

// PIDFile is where nginx writes the master's process id; "" if it is not known.
func (d *Dump) PIDFile() string {
	name := d.build["pid-path"]
	if args := first(d.main, "pid"); len(args) > 0 {
		name = args[0]
	}
	return d.full(name)
}

// ErrorLogs are the files to which the master writes its errors. Logs that are
// no files (stderr, syslog, memory) are left out.
func (d *Dump) ErrorLogs() []string {
	var names []string
	set := false
	for _, l := range d.main {
		if l.name == "error_log" && len(l.args) > 0 {
			set = true
			names = append(names, l.args[0])
		}
	}
	if !set {
		names = []string{d.build["error-log-path"]}
	}
	var files []string
	for _, name := range names {
		if name != "" && name != "stderr" && !strings.HasPrefix(name, "syslog:") && !strings.HasPrefix(name, "memory:") {
			files = append(files, d.full(name))
		}
	}
	return files
}

// full makes a name absolute as nginx does.
func (d *Dump) full(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.prefix, name)
}
