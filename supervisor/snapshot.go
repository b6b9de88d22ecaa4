package supervisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/health"
	"ngha/supervisor/status"
)

// snapshot is the loop's part of the status.
type snapshot struct {
	health  status.Health
	nginx   status.Nginx
	changed nginxctl.Changed // not loaded, until somebody asks for it
	crew    crew
	ending  bool // what is above is what was known before

	warnings []string // of nginx's program and sockets
}

// publish makes the loop's state readable for others.
func (s *Supervisor) publish() {
	v := s.gate.Verdict()
	next := snapshot{
		health: status.Health{Healthy: v.State == health.Healthy, State: v.State.String(), Reason: v.Reason, Since: v.Since, Probes: s.node.probes},
		nginx:  s.node.nginx,
		crew:   s.node.crew,
		ending: s.ending != nil,
	}
	if s.node.phase == phaseRunning {
		next.nginx.Workers = s.node.crew.Workers
	}
	if s.notRealtime != nil {
		next.warnings = append(next.warnings, "realtime: "+strings.ReplaceAll(s.notRealtime.Error(), "\n", "; "))
	}
	if s.node.outdated {
		next.warnings = append(next.warnings, outdated)
	}
	if w := s.node.waiting; len(w) > 0 {
		next.warnings = append(next.warnings, "connections wait at "+strings.Join(w, ", ")+" and are not accepted: a worker hangs, or all are overloaded")
	}
	if err := s.node.upgradeFault; err != nil {
		next.warnings = append(next.warnings, "the last upgrade was not done: "+err.Error())
	}
	if p := s.probe.Load(); p != nil {
		next.health.URL = p.URL
	}
	if s.config.Nginx.Manual {
		next.changed = s.node.changed
	}
	s.snapshot.Store(&next)
	if s.node.phase == phaseRunning && v.State != health.Starting {
		s.herald.tell(func(t *tidings) { t.ready = true })
	}
}

// Status returns what this node is and does now. Any goroutine may call it.
func (s *Supervisor) Status() status.Status {
	now := s.snapshot.Load()
	st := status.Status{
		Node:           s.config.Node,
		Version:        s.options.Version,
		Started:        s.started,
		Health:         now.health,
		Nginx:          now.nginx,
		VirtualRouters: []status.VirtualRouter{},
	}
	st.Nginx.Lingering = byGeneration(append(s.retired.lingering(), now.crew.lingering(now.nginx.Generation)...))
	st.HooksRun, st.HooksFailed = s.hooks.Counts()
	if s.options.LogsDropped != nil {
		st.LogsDropped = s.options.LogsDropped()
	}
	for _, v := range s.routers {
		st.VirtualRouters = append(st.VirtualRouters, v.status())
		st.Warnings = append(st.Warnings, v.warnings()...)
	}
	st.Warnings = append(st.Warnings, s.standings.warnings()...)
	if rivals := s.rivals.Load(); rivals != nil {
		st.Warnings = append(st.Warnings, *rivals...)
	}
	if now.nginx.PID != 0 && s.probe.Load() == nil {
		st.Warnings = append(st.Warnings, notAsked)
	}
	if now.ending {
		st.Warnings = append(st.Warnings, "ngha is ending: nginx finishes what it serves")
	}
	if now.nginx.PID != 0 {
		st.Warnings = append(st.Warnings, now.crew.warnings(time.Now())...)
	}
	st.Warnings = append(st.Warnings, now.warnings...)
	if now.nginx.Configuration == configurationStale {
		st.Warnings = append(st.Warnings, "nginx's configuration on disk was not applied: "+now.nginx.Reason)
	}
	if now.nginx.Copy {
		st.Warnings = append(st.Warnings, "nginx runs from a copy of its last good configuration, for as long as the one on disk is broken")
	}
	if len(now.changed.Paths) > 0 {
		st.Warnings = append(st.Warnings, "nginx has not loaded what changed on disk, which `ngha reload` does: "+changedFiles(now.changed))
	}
	if err := s.watcher.Warning(); err != nil {
		st.Warnings = append(st.Warnings, "changes of nginx's files may not be seen: "+err.Error())
	}
	return st
}

// byGeneration adds up what is of one generation.
func byGeneration(list []status.Lingering) []status.Lingering {
	slices.SortStableFunc(list, func(a, b status.Lingering) int { return cmp.Compare(a.Generation, b.Generation) })
	var sums []status.Lingering
	for _, l := range list {
		last := len(sums) - 1
		if last < 0 || sums[last].Generation != l.Generation {
			sums = append(sums, l)
			continue
		}
		sums[last].Workers += l.Workers
		if l.Since.Before(sums[last].Since) {
			sums[last].Since = l.Since
		}
	}
	return sums
}

// outdated warns of a program that waits to be run.
const outdated = "nginx on disk is another one than the one that runs: `ngha upgrade` changes to it, and so does the next crash"

// changedFiles names the first few.
func changedFiles(c nginxctl.Changed) string {
	shown := min(len(c.Paths), 5)
	names := strings.Join(c.Paths[:shown], ", ")
	if more := len(c.Paths) - shown + c.More; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}

func connections(s nginxctl.StubStatus) status.Connections {
	return status.Connections{
		Active:   s.Active,
		Accepted: s.Accepted,
		Handled:  s.Handled,
		Requests: s.Requests,
		Reading:  s.Reading,
		Writing:  s.Writing,
		Waiting:  s.Waiting,
	}
}
