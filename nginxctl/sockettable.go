package nginxctl

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An endpoint is what a listening socket is bound to.
type endpoint struct {
	kind int            // unix.SOCK_STREAM or SOCK_DGRAM
	addr netip.AddrPort // invalid for a unix socket
	path string         // of a unix socket
}

// String is the address as nginx writes it, with udp before it where it is not
// TCP.
func (e endpoint) String() string {
	s := e.addr.String()
	if e.path != "" {
		s = "unix:" + e.path
	}
	if e.kind == unix.SOCK_DGRAM {
		s = "udp " + s
	}
	return s
}

func (e endpoint) wildcard() bool { return e.path == "" && e.addr.Addr().IsUnspecified() }

// collides reports whether only one of e and o can be bound, as far as
// addresses tell.
func (e endpoint) collides(o endpoint) bool {
	if e == o {
		return true
	}
	return e.kind == o.kind && e.path == "" && o.path == "" &&
		e.addr.Port() == o.addr.Port() && (e.wildcard() || o.wildcard())
}

// openSockets maps the inodes of all sockets that pid has open to one of its
// descriptors for each.
func openSockets(pid int) (map[uint64]int, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	open := make(map[uint64]int)
	for _, name := range names {
		link, err := os.Readlink(dir + "/" + name.Name())
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
			return nil, fmt.Errorf("%s/%s: %w", dir, name.Name(), err)
		}
		fd, err := strconv.Atoi(name.Name())
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, name.Name(), err)
		}
		open[inode] = fd
	}
	return open, nil
}

// isSocket reports whether pid's descriptor fd is the socket with this inode.
func isSocket(pid, fd int, inode uint64) (bool, error) {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return link == fmt.Sprintf("socket:[%d]", inode), err
}

// A listener is a listening socket as the kernel's tables show it.
type listener struct {
	endpoint
	queue int // connections that wait to be accepted; of TCP only
}

// A socketTable is a file of /proc/PID/net, and how a listening socket looks in
// it.
type socketTable struct {
	name      string
	state     int    // column that tells
	listening string // ... by this value
	inode     int    // column of the inode
	first     bool   // listening sockets come before all others
	at        func(fields [][]byte, line []byte) (listener, error)
}

var socketTables = []socketTable{
	{"tcp", 3, "0A", 9, true, tableTCP},
	{"tcp6", 3, "0A", 9, true, tableTCP},
	{"udp", 3, "07", 9, false, tableUDP}, // bound and not connected
	{"udp6", 3, "07", 9, false, tableUDP},
	{"unix", 3, "00010000", 6, false, tableUnix},
}

// listening finds those of open, pid's sockets, that listen or, for UDP, are
// bound and not connected.
func listening(pid int, open map[uint64]int) (map[uint64]listener, error) {
	found := make(map[uint64]listener)
	for _, t := range socketTables {
		err := t.read(pid, open, found)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // no IPv6
			return nil, fmt.Errorf("/proc/%d/net/%s: %w", pid, t.name, err)
		}
	}
	return found, nil
}

// read adds to found. A busy server has a great many connections, of which it
// reads as few as it can.
func (t socketTable) read(pid int, open map[uint64]int, found map[uint64]listener) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, t.name))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		f := bytes.Fields(lines.Bytes())
		if len(f) <= t.inode {
			continue
		}
		if string(f[t.state]) != t.listening {
			if t.first {
				return nil
			}
			continue
		}
		inode, err := strconv.ParseUint(string(f[t.inode]), 10, 64)
		if err != nil {
			return err
		}
		if _, ours := open[inode]; !ours {
			continue
		}
		if found[inode], err = t.at(f, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// listeners is openSockets and listening in one.
func listeners(pid int) (open map[uint64]int, at map[uint64]listener, err error) {
	if open, err = openSockets(pid); err != nil {
		return nil, nil, err
	}
	at, err = listening(pid, open)
	return open, at, err
}

func tableTCP(f [][]byte, _ []byte) (listener, error) {
	a, err := tableAddress(string(f[1]))
	if err != nil {
		return listener{}, err
	}
	_, receive, _ := strings.Cut(string(f[4]), ":") // of a listening socket the accept queue
	queue, err := strconv.ParseUint(receive, 16, 32)
	return listener{endpoint{kind: unix.SOCK_STREAM, addr: a}, int(queue)}, err
}

func tableUDP(f [][]byte, _ []byte) (listener, error) {
	a, err := tableAddress(string(f[1]))
	return listener{endpoint: endpoint{kind: unix.SOCK_DGRAM, addr: a}}, err
}

// tableUnix takes the path from the line, since it may hold spaces.
func tableUnix(f [][]byte, line []byte) (listener, error) {
	l := listener{endpoint: endpoint{kind: unix.SOCK_STREAM}}
	if len(f) >= 8 { // else it is bound to no path
		_, path, _ := bytes.Cut(line, append(append([]byte(" "), f[6]...), ' '))
		l.path = string(path)
	}
	return l, nil
}

// tableAddress reads an address as the kernel prints it: 32-bit words of the
// address in network order, each printed as a number of this machine's.
func tableAddress(s string) (netip.AddrPort, error) {
	words, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(words)
	n, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("unknown form of address %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("unknown form of address %q", s)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}
