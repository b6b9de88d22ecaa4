package nginxctl

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
)

// Occupant is a process that listens where nginx is to.
type Occupant struct {
	PID    int
	Listen []string // where, as nginx writes it
}

// Occupants lists the processes of this network namespace, but for our own and
// those of the sessions given, that listen on what d listens on. Of several with
// one socket it is the oldest. Who may not be looked into is not found.
func (d *Dump) Occupants(ctx context.Context, sessions []int) []Occupant {
	want := d.wanted(ctx)
	here, err := os.Readlink("/proc/thread-self/ns/net")
	pids, err2 := processIDs()
	if err != nil || err2 != nil || len(want) == 0 {
		return nil
	}
	var others []Process
	for _, pid := range pids {
		ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
		s, err2 := readStat(pid)
		if err != nil || err2 != nil || pid == os.Getpid() || ns != here || slices.Contains(sessions, s.session) {
			continue
		}
		others = append(others, Process{PID: pid, StartTime: s.startTime})
	}
	slices.SortFunc(others, byAge)
	seen := make(map[uint64]bool) // sockets
	var list []Occupant
	for _, p := range others {
		if at := occupied(p.PID, want, seen); len(at) > 0 {
			list = append(list, Occupant{p.PID, at})
		}
	}
	return list
}

// byAge orders processes, the oldest first. Process ids tell it only of those
// that started in one clock tick: they begin anew where they come to their end.
func byAge(a, b Process) int {
	return cmp.Or(cmp.Compare(a.StartTime, b.StartTime), cmp.Compare(a.PID, b.PID))
}

// occupied lists where pid listens in the way of what is wanted, with a socket
// that has not been seen.
func occupied(pid int, want []wanted, seen map[uint64]bool) []string {
	open, err := openSockets(pid)
	if err != nil || len(open) == 0 {
		return nil
	}
	at, err := listening(pid, open)
	if err != nil {
		return nil
	}
	var list []string
	for _, inode := range slices.Sorted(maps.Keys(at)) {
		l := at[inode]
		if seen[inode] || !slices.ContainsFunc(want, func(w wanted) bool { return w.collides(l.endpoint) }) {
			continue
		}
		seen[inode] = true
		if where := l.String(); !slices.Contains(list, where) {
			list = append(list, where)
		}
	}
	slices.Sort(list)
	return list
}
