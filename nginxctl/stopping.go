package nginxctl

import (
	"maps"

	"golang.org/x/sys/unix"
)

// Stopping reports whether somebody else is stopping nginx, or has: by
// `nginx -s quit` or `stop`, or by a signal. A master told to quit closes its
// listening sockets at once and then serves to the end what it has. It is cheap
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
	switch m.doors() {
	case doorsClosed:
		return true
	case doorsOpen:
		return false
	default:
		return m.allLeaving()
	}
}

// doors are a master's listening sockets, as far as they can be seen. By them a
// master that is being ended differs from one that has lost its workers.
type doors int

const (
	doorsUnseen doors = iota
	doorsOpen
	doorsClosed // it had some
)

func (m *Master) doors() doors {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.listening) == 0 {
		return doorsUnseen
	}
	for inode, fd := range m.listening {
		is, err := isSocket(m.pid, fd, inode)
		if err != nil {
			return doorsUnseen
		}
		if is {
			return doorsOpen
		}
	}
	// A reload that we did not ask for may have changed them all.
	now, err := listeningFDs(m.pid)
	if err != nil {
		return doorsUnseen
	}
	if len(now) > 0 {
		m.listening = now
		return doorsOpen
	}
	if exiting(m.pid) {
		return doorsUnseen // one that is being killed has no descriptors either
	}
	return doorsClosed
}

// listeningFDs maps the inodes of pid's listening sockets to descriptors. Those
// for datagrams are left out: of them nginx keeps QUIC's when it is told to quit.
func listeningFDs(pid int) (map[uint64]int, error) {
	open, at, err := listeners(pid)
	maps.DeleteFunc(open, func(inode uint64, _ int) bool {
		l, listens := at[inode]
		return !listens || l.kind != unix.SOCK_STREAM
	})
	return open, err
}

// allLeaving reports whether all workers have been told to end, and none comes
// after them.
func (m *Master) allLeaving() bool {
	c := m.Crew()
	last := len(c.Lingering) - 1
	return c.Workers+c.Missing == 0 && last >= 0 && c.Lingering[last].Load == c.Loads
}

// noteListening remembers the master's listening sockets. Where they cannot be
// read, Stopping goes by the workers alone.
func (m *Master) noteListening() {
	open, err := listeningFDs(m.pid)
	if err != nil {
		open = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listening = open
}
