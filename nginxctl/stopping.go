package nginxctl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Stopping reports whether somebody else is stopping nginx, or has: by
// `nginx -s quit` or `stop`, or by a signal. A master told to quit closes its
// listening sockets first and then serves to the end what it has. It is cheap
// enough to be asked several times a second, and false until Ready.
func (m *Master) Stopping() bool {
	select {
	case <-m.done:
		return m.err.Ready && !m.err.Asked && m.err.Code == 0
	default:
	}
	if m.asked.Load() || !m.ready.Load() {
		return false
	}
	return m.closedListeners() || m.allLeaving()
}

func (m *Master) closedListeners() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.listening) == 0 {
		return false // not known, or nginx listens nowhere
	}
	open, err := socketInodes(m.pid)
	if err != nil {
		return false
	}
	for inode := range open {
		if m.listening[inode] {
			return false
		}
	}
	// A reload that we did not ask for may have changed them all.
	now, err := listeningInodes(m.pid)
	if err != nil {
		return false
	}
	if len(now) > 0 {
		m.listening = now
		return false
	}
	return true
}

func (m *Master) allLeaving() bool {
	procs, err := children(m.pid)
	if err != nil {
		return false
	}
	leaving := false
	for _, p := range procs {
		if p.IsWorker() && !p.ShuttingDown() {
			return false
		}
		leaving = leaving || p.ShuttingDown()
	}
	return leaving
}

// noteListening remembers the master's listening sockets. Where they cannot be
// read, Stopping goes by the workers alone.
func (m *Master) noteListening() {
	inodes, err := listeningInodes(m.pid)
	if err != nil {
		inodes = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listening = inodes
}

// socketInodes are the inodes of all sockets that pid has open.
func socketInodes(pid int) (map[uint64]bool, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool)
	for _, fd := range fds {
		link, err := os.Readlink(dir + "/" + fd.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, fd.Name(), err)
		}
		inodes[inode] = true
	}
	return inodes, nil
}

// Tables of /proc/PID/net, and how a listening socket looks in them: the value
// of one column, and the column of the inode.
var socketTables = []struct {
	name          string
	column, inode int
	listening     string
}{
	{"tcp", 3, 9, "0A"},
	{"tcp6", 3, 9, "0A"},
	{"udp", 3, 9, "07"},
	{"udp6", 3, 9, "07"},
	{"unix", 3, 6, "00010000"},
}

// listeningInodes are the inodes of those sockets of pid that listen, or, for
// UDP, are bound and not connected.
func listeningInodes(pid int) (map[uint64]bool, error) {
	open, err := socketInodes(pid)
	if err != nil {
		return nil, err
	}
	listening := make(map[uint64]bool)
	for _, t := range socketTables {
		b, err := readProc(pid, "net/"+t.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(b) {
			f := bytes.Fields(line)
			if len(f) <= t.inode || string(f[t.column]) != t.listening {
				continue
			}
			inode, err := strconv.ParseUint(string(f[t.inode]), 10, 64)
			if err == nil && open[inode] {
				listening[inode] = true
			}
		}
	}
	return listening, nil
}
