package supervisor

import (
	"fmt"
	"strings"

	"ngha/nginxctl"
	"ngha/supervisor/health"
	"ngha/supervisor/status"
)

// snapshot is the loop's part of the status.
type snapshot struct {
	health  status.Health
	nginx   status.Nginx
	changed nginxctl.Changed // not loaded, until somebody asks for it
	ending  bool             // what is above is what was known before
}

// publish makes the loop's state readable for others.
func (s *Supervisor) publish() {
	v := s.gate.Verdict()
	next := snapshot{
		health: status.Health{Healthy: v.State == health.Healthy, State: v.State.String(), Reason: v.Reason, Since: v.Since, Probes: s.node.probes},
		nginx:  s.node.nginx,
		ending: s.ending != nil,
	}
	if p := s.probe.Load(); p != nil {
		next.health.URL = p.URL
	}
	if s.config.Nginx.Manual {
		next.changed = s.node.changed
	}
	s.snapshot.Store(&next)
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
	st.HooksRun, st.HooksFailed = s.hooks.Counts()
	if s.options.LogsDropped != nil {
		st.LogsDropped = s.options.LogsDropped()
	}
	for _, v := range s.routers {
		st.VirtualRouters = append(st.VirtualRouters, v.status())
		st.Warnings = append(st.Warnings, v.warnings()...)
	}
	if now.nginx.PID != 0 && s.probe.Load() == nil {
		st.Warnings = append(st.Warnings, notAsked)
	}
	if now.ending {
		st.Warnings = append(st.Warnings, "ngha is ending: nginx finishes what it serves")
	}
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
