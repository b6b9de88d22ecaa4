package nginxctl

import "maps"

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
	for inode, fd := range m.listening {
		if is, err := isSocket(m.pid, fd, inode); err != nil || is {
			return false
		}
	}
	// A reload that we did not ask for may have changed them all.
	now, err := listeningFDs(m.pid)
	if err != nil {
		return false
	}
	if len(now) > 0 {
		m.listening = now
		return false
	}
	return !exiting(m.pid) // one that is being killed has no descriptors either
}

// listeningFDs maps the inodes of pid's listening sockets to descriptors.
func listeningFDs(pid int) (map[uint64]int, error) {
	open, at, err := listeners(pid)
	maps.DeleteFunc(open, func(inode uint64, _ int) bool { _, listens := at[inode]; return !listens })
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
