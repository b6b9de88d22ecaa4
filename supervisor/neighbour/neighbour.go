// Package neighbour finds out which other program on this host has what a node
// needs for itself, and how to end it.
package neighbour

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Process is a program that runs, and where it comes from.
type Process struct {
	PID  int
	Name string // of the program, cut off after 15 characters
	Unit string // of systemd, such as nginx.service; "": none, or none that ends it alone
}

// Of describes a process. One that is gone is fs.ErrNotExist.
func Of(pid int) (Process, error) {
	p := Process{PID: pid}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return p, err
	}
	p.Name = strings.TrimSpace(string(name))
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return p, err
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	ours, err2 := os.Readlink("/proc/self/ns/pid")
	if err == nil && err2 == nil && theirs == ours { // else its unit may be of a systemd in a container
		p.Unit = unit(string(groups))
	}
	return p, nil
}

// unit is the service that a /proc/PID/cgroup names: in systemd's own hierarchy
// where it has one, and not one of a user's own.
func unit(groups string) string {
	at := ""
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) < 3:
		case f[1] == "name=systemd":
			at = f[2]
		case f[0] == "0" && at == "":
			at = f[2]
		}
	}
	for dir := range strings.SplitSeq(at, "/") {
		if strings.HasPrefix(dir, "user@") {
			return ""
		}
		if strings.HasSuffix(dir, ".service") {
			return dir
		}
	}
	return ""
}

func (p Process) String() string {
	if p.Unit == "" {
		return fmt.Sprintf("%s (process %d)", p.Name, p.PID)
	}
	return fmt.Sprintf("%s (process %d of %s)", p.Name, p.PID, p.Unit)
}

// End is the command that ends p for good.
func (p Process) End() string {
	if p.Unit == "" {
		return fmt.Sprintf("kill %d", p.PID)
	}
	return "systemctl disable --now " + strings.TrimSuffix(p.Unit, ".service")
}

// protocolVRRP as the kernel's table of raw sockets has it.
const protocolVRRP = ":0070"

// SpeakingVRRP lists the processes, but for this one, that have a socket for VRRP
// in this network namespace.
func SpeakingVRRP() ([]Process, error) {
	sockets := make(map[string]bool)
	for _, table := range []string{"raw", "raw6"} {
		if err := vrrpSockets("/proc/thread-self/net/"+table, sockets); err != nil && !errors.Is(err, fs.ErrNotExist) { // no IPv6
			return nil, err
		}
	}
	mine, err := openFiles(os.Getpid())
	if err != nil {
		return nil, err
	}
	for _, file := range mine {
		delete(sockets, file)
	}
	if len(sockets) == 0 { // as a rule, and there is no need to look at everybody's files
		return nil, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !hasOne(pid, sockets) {
			continue
		}
		if p, err := Of(pid); err == nil && !slices.ContainsFunc(list, func(o Process) bool { return o.Unit != "" && o.Unit == p.Unit }) {
			list = append(list, p)
		}
	}
	return list, nil
}

// vrrpSockets adds to sockets what a socket of the table is called in /proc/PID/fd.
func vrrpSockets(table string, sockets map[string]bool) error {
	f, err := os.Open(table)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 9 && strings.HasSuffix(f[1], protocolVRRP) {
			sockets["socket:["+f[9]+"]"] = true
		}
	}
	return lines.Err()
}

// hasOne reports whether pid has one of the sockets open, as far as we may know.
func hasOne(pid int, sockets map[string]bool) bool {
	files, err := openFiles(pid)
	// Otherwise it is gone, or not ours to see.
	return err == nil && slices.ContainsFunc(files, func(file string) bool { return sockets[file] })
}

// openFiles is what pid has open, as /proc calls it.
func openFiles(pid int) (list []string, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	for _, fd := range fds {
		if target, err := os.Readlink(path.Join(dir, fd.Name())); err == nil { // else it was closed meanwhile
			list = append(list, target)
		}
	}
	return list, err
}
