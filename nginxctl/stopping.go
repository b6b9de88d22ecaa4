package nginxctl

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
	open, err := openSockets(m.pid)
	if err != nil {
		return false
	}
	for inode := range open {
		if _, seen := m.listening[inode]; seen {
			return false
		}
	}
	// A reload that we did not ask for may have changed them all. It opens the
	// new ones first, but a list that is read meanwhile may show neither: what
	// has been closed for good is absent from a second one as well.
	_, now, err := listeners(m.pid)
	if err != nil {
		return false
	}
	if len(now) > 0 {
		m.listening = now
		return false
	}
	return !exiting(m.pid) // one that is being killed has no descriptors either
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
	_, at, err := listeners(m.pid)
	if err != nil {
		at = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listening = at
}
