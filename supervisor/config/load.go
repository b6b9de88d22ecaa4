package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Load reads the configuration that s describes. Its error is an [Errors] with
// everything that is wrong, and then no part of the configuration is to be used.
func Load(s Sources) (Config, error) {
	gs, faults := s.given()
	root, err := s.tree(gs)
	if err != nil {
		return Config{}, failed(append(faults, err...))
	}
	root, more := overlay(root, settingsOf(gs))
	d := decoder{faults: append(faults, more...), settings: Settings()}
	var c Config
	decode(&d, root, rootKeys, &c)
	d.whole(root, c)
	if c.Node == "" && len(d.faults) == 0 {
		c.Node = d.hostname(root)
	}
	if len(d.faults) > 0 {
		return Config{}, failed(d.faults)
	}
	if c.Nginx.State == "" {
		c.Nginx.State = strings.TrimSuffix(c.Control.Socket, filepath.Ext(c.Control.Socket)) + ".nginx-lastgood"
	}
	return c, nil
}

// Socket returns the control socket of the ngha that s describes. It asks for no
// more than that: a fault elsewhere in the file must not keep anybody from
// looking at the node that runs.
func Socket(s Sources) (string, error) {
	gs, _ := s.given()
	var faults Errors
	root, err := &node{place: place{source: &source{name: "default"}}}, Errors(nil)
	if !has(gs, "control.socket") {
		root, err = s.tree(gs)
	}
	if err != nil {
		return "", failed(append(faults, err...))
	}
	root, _ = overlay(root, settingsOf(gs))
	only := &node{place: root.place, kind: mapping}
	if c, ok := root.child("control"); ok && c.kind == mapping {
		if v, ok := c.child("socket"); ok {
			only.put("socket", v)
		}
	}
	var d decoder
	var c Control
	decode(&d, only, controlKeys, &c)
	if len(d.faults) > 0 {
		return "", failed(d.faults)
	}
	return c.Socket, nil
}

func failed(faults Errors) error {
	faults.sort()
	return faults
}

func has(gs []given, key string) bool {
	for _, g := range gs {
		if g.Key == key {
			return true
		}
	}
	return false
}

// settingsOf returns what of gs has a place in the file.
func settingsOf(gs []given) []given {
	var out []given
	for _, g := range gs {
		if g.Key != "" {
			out = append(out, g)
		}
	}
	return out
}

// tree reads the file that gs or the default names.
func (s Sources) tree(gs []given) (*node, Errors) {
	path, named := s.File, place{}
	if path == "" {
		path = DefaultFile
	}
	for _, g := range gs {
		if g.Flag == configSetting.Flag {
			path, named = g.value.text, g.value.place
		}
	}
	from := &source{name: path, rank: rankFile}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && named.source == nil {
		return &node{place: place{source: &source{name: "no file", rank: rankFile}}}, nil
	}
	if err != nil {
		at := named
		if at.source == nil {
			at = place{source: from}
		}
		return nil, Errors{fault(at, fmt.Sprintf("read the configuration: %v", err), "name a file that can be read, as YAML")}
	}
	from.lines = masked(strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"))
	root, err := parse(from, text)
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			e = fault(place{from, 1, 1}, err.Error(), "")
		}
		return nil, Errors{e}
	}
	return root, nil
}

// maxFile bounds what is read of a file. The largest sensible one has a tenth.
const maxFile = 256 << 10

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	return text, err
}

// whole checks what goes beyond one part of the configuration.
func (d *decoder) whole(root *node, c Config) {
	checks, _ := root.child("checks")
	for i, check := range c.Checks {
		for _, v := range c.VirtualRouters {
			for _, a := range v.VRRP.Addrs {
				if check.ARP == a.Addr() {
					d.fault(checks.items[i].at("arp"), fmt.Sprintf("%s is a virtual address of this node, which nobody else answers for while it is active", a.Addr()), "ask for another host, such as the gateway")
				}
			}
		}
	}
}

// hostname is the name of a node that was given none.
func (d *decoder) hostname(root *node) string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		d.fault(root.place, fmt.Sprintf("this host has no name to call the node by (%v)", err), "add `node: NAME`, --node or NGHA_NODE")
	}
	return name
}
