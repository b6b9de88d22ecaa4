package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ngha/supervisor/status"
)

// desc describes a metric: its name without the prefix, what it means, and the
// names of its labels.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ngha_"+name, help, labels, nil)
}

// router is desc for a metric of a virtual router.
func router(name, help string, labels ...string) *prometheus.Desc {
	return desc("virtual_router_"+name, help, append([]string{"name", "vrid"}, labels...)...)
}

var (
	info        = desc("info", "1, labelled with what runs here.", "node", "version")
	started     = desc("start_timestamp_seconds", "When ngha was started.")
	warnings    = desc("warnings", "Conditions that want a person's eye; `ngha status` has the words.")
	hooksRun    = desc("hooks_run_total", "Hook runs that have ended.")
	hooksFailed = desc("hooks_failed_total", "Hook runs that did not exit 0.")
	logsDropped = desc("logs_dropped_total", "Log lines dropped because the log's reader was too slow.")

	healthy     = desc("healthy", "1 while this node's nginx serves and every check passes.")
	healthState = desc("health_state", "1 for the verdict on this node.", "state")
	healthSince = desc("health_state_timestamp_seconds", "When the verdict was entered.")
	probes      = desc("probes_total", "Questions to nginx's status endpoint, by what became of them.", "result")
	probeTook   = desc("probe_duration_seconds", "How long the last question took.")

	nginxPID         = desc("nginx_pid", "Process id of nginx's master; 0: none runs.")
	nginxGeneration  = desc("nginx_generation", "Number of the configuration that serves, counted from 1 since ngha's start.")
	nginxConfig      = desc("nginx_configuration", "1 for how the configuration that serves relates to the one on disk.", "state")
	nginxCopy        = desc("nginx_copy", "1 while nginx runs from a copy of its last good configuration.")
	nginxStarted     = desc("nginx_start_timestamp_seconds", "When nginx's master was started.")
	nginxRestarts    = desc("nginx_restarts_total", "Masters started anew after a crash or a freeze.")
	nginxReloads     = desc("nginx_reloads_total", "Reloads, asked for or after a change on disk.")
	nginxFailed      = desc("nginx_reloads_failed_total", "Reloads that were not applied.")
	nginxWorkers     = desc("nginx_workers", "Workers of the configuration that serves.")
	nginxCrashes     = desc("nginx_worker_crashes_total", "Workers that ended without having been told to.")
	nginxLingering   = desc("nginx_lingering_workers", "Workers of an earlier configuration which finish what they serve.", "generation")
	nginxLeft        = desc("nginx_lingering_timestamp_seconds", "When that configuration was replaced.", "generation")
	nginxActive      = desc("nginx_connections_active", "Client connections as nginx counts them, waiting ones included.")
	nginxAccepted    = desc("nginx_connections_accepted_total", "Client connections accepted since nginx's start.")
	nginxHandled     = desc("nginx_connections_handled_total", "Client connections handled since nginx's start.")
	nginxRequests    = desc("nginx_requests_total", "Client requests since nginx's start.")
	nginxConnections = desc("nginx_connections", "Client connections by what they are at.", "state")

	vrInfo       = router("info", "1, labelled with the interface; empty while none is found.", "interface")
	vrState      = router("state", "1 for the state (RFC 9568).", "state")
	vrSince      = router("state_timestamp_seconds", "When the state was entered.")
	vrPriority   = router("priority", "Priority that it takes part with: 1 at last resort, 0 while out.")
	vrAddresses  = router("addresses", "Virtual addresses configured.")
	vrActive     = router("active_priority", "Priority of the node that holds the addresses, as far as is known.", "address")
	vrSent       = router("advertisements_sent_total", "Advertisements sent.")
	vrReceived   = router("advertisements_received_total", "Valid advertisements received.")
	vrDiscarded  = router("advertisements_discarded_total", "Advertisements refused, by reason.", "reason")
	vrAlarms     = router("alarms", "Senders of advertisements that something is wrong with, by what it is; `ngha status` has the words.", "alarm")
	vrChecksums  = router("checksums_total", "Advertisements of version 3 received, by how their checksum was computed.", "checksum")
	vrZeroSent   = router("priority_zero_sent_total", "Advertisements sent with priority 0.")
	vrZeroHeard  = router("priority_zero_received_total", "Advertisements received with priority 0.")
	vrBecame     = router("became_active_total", "Times that it became Active.")
	vrLeft       = router("left_active_total", "Times that it left Active.")
	vrContradict = router("contradictions_total", "Advertisements heard while Active from another claimant.")
	vrAnnounced  = router("announcements_total", "Announcements of the addresses by ARP or neighbour discovery.")
	vrSendErrs   = router("send_errors_total", "Advertisements that could not be sent.")
	vrAddrErrs   = router("address_errors_total", "Addresses that could not be installed or removed.")
	vrLost       = router("packets_lost_total", "Packets for the virtual router that came faster than they were taken.")
	vrLateness   = router("lateness_seconds", "How long after its deadline the timer was served.")
	vrLatest     = router("lateness_max_seconds", "The longest lateness since ngha's start.")
)

// states of what is shown as one gauge per state.
var (
	healthStates = []string{"starting", "healthy", "repairing", "ill"}
	configStates = []string{"current", "changed", "stale", "unknown"}
	routerStates = []string{"initialize", "backup", "active"}
)

// collector reads a snapshot at each scrape.
type collector struct {
	snapshot func() status.Status
}

// Describe sends nothing: which series there are depends on the snapshot.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect spells out a snapshot.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.snapshot()
	out := sink{ch}

	out.gauge(info, 1, s.Node, s.Version)
	out.instant(started, s.Started)
	out.gauge(warnings, float64(len(s.Warnings)))
	out.count(hooksRun, s.HooksRun)
	out.count(hooksFailed, s.HooksFailed)
	out.count(logsDropped, s.LogsDropped)

	out.truth(healthy, s.Health.Healthy)
	out.oneOf(healthState, healthStates, s.Health.State)
	out.instant(healthSince, s.Health.Since)
	out.count(probes, s.Health.Probes.Answered, "answered")
	out.count(probes, s.Health.Probes.Failed, "failed")
	out.gauge(probeTook, s.Health.Probes.Took.Seconds())

	out.nginx(s.Nginx)
	for _, v := range s.VirtualRouters {
		out.router(v)
	}
}

// sink makes metrics of values.
type sink struct {
	ch chan<- prometheus.Metric
}

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, valid(labels)...)
}

func (s sink) count(d *prometheus.Desc, v uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), valid(labels)...)
}

// valid makes labels that Prometheus accepts of names which others chose: the
// kernel lets an interface be called anything.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}

func (s sink) truth(d *prometheus.Desc, v bool, labels ...string) {
	n := 0.0
	if v {
		n = 1
	}
	s.gauge(d, n, labels...)
}

func (s sink) instant(d *prometheus.Desc, t time.Time, labels ...string) {
	n := 0.0
	if !t.IsZero() {
		n = float64(t.UnixMilli()) / 1000
	}
	s.gauge(d, n, labels...)
}

// oneOf shows which of all states is. A state that is not among them is shown
// too, rather than hidden.
func (s sink) oneOf(d *prometheus.Desc, all []string, is string, labels ...string) {
	known := false
	for _, state := range all {
		known = known || state == is
		s.truth(d, state == is, append(labels, state)...)
	}
	if !known {
		s.truth(d, true, append(labels, is)...)
	}
}

func (s sink) nginx(n status.Nginx) {
	s.gauge(nginxPID, float64(n.PID))
	s.gauge(nginxGeneration, float64(n.Generation))
	s.oneOf(nginxConfig, configStates, n.Configuration)
	s.truth(nginxCopy, n.Copy)
	s.instant(nginxStarted, n.Since)
	s.count(nginxRestarts, n.Restarts)
	s.count(nginxReloads, n.Reloads)
	s.count(nginxFailed, n.ReloadsFailed)
	s.gauge(nginxWorkers, float64(n.Workers))
	s.count(nginxCrashes, n.WorkerCrashes)
	for _, l := range n.Lingering {
		generation := strconv.FormatUint(l.Generation, 10)
		s.gauge(nginxLingering, float64(l.Workers), generation)
		s.instant(nginxLeft, l.Since, generation)
	}
	s.gauge(nginxActive, float64(n.Connections.Active))
	s.count(nginxAccepted, n.Connections.Accepted)
	s.count(nginxHandled, n.Connections.Handled)
	s.count(nginxRequests, n.Connections.Requests)
	s.gauge(nginxConnections, float64(n.Connections.Reading), "reading")
	s.gauge(nginxConnections, float64(n.Connections.Writing), "writing")
	s.gauge(nginxConnections, float64(n.Connections.Waiting), "waiting")
}

func (s sink) router(v status.VirtualRouter) {
	name, vrid := v.Name, strconv.Itoa(int(v.VRID))
	s.gauge(vrInfo, 1, name, vrid, v.Interface)
	s.oneOf(vrState, routerStates, v.State, name, vrid)
	s.instant(vrSince, v.Since, name, vrid)
	s.gauge(vrPriority, float64(v.Priority), name, vrid)
	s.gauge(vrAddresses, float64(len(v.Addresses)), name, vrid)
	if v.Active != nil {
		s.gauge(vrActive, float64(v.Active.Priority), name, vrid, v.Active.Address.String())
	}
	c := v.Counters
	s.count(vrSent, c.AdvertisementsSent, name, vrid)
	s.count(vrReceived, c.AdvertisementsReceived, name, vrid)
	s.count(vrChecksums, c.ChecksumsPseudoHeader, name, vrid, "pseudo-header")
	s.count(vrChecksums, c.ChecksumsRFC9568, name, vrid, "rfc9568")
	for reason, n := range c.Discarded {
		s.count(vrDiscarded, n, name, vrid, reason)
	}
	senders := make(map[string]int)
	for _, a := range v.Alarms {
		senders[a.Name]++
	}
	for alarm, n := range senders {
		s.gauge(vrAlarms, float64(n), name, vrid, alarm)
	}
	s.count(vrZeroSent, c.PriorityZeroSent, name, vrid)
	s.count(vrZeroHeard, c.PriorityZeroReceived, name, vrid)
	s.count(vrBecame, c.BecameActive, name, vrid)
	s.count(vrLeft, c.LeftActive, name, vrid)
	s.count(vrContradict, c.Contradictions, name, vrid)
	s.count(vrAnnounced, c.Announcements, name, vrid)
	s.count(vrSendErrs, c.SendErrors, name, vrid)
	s.count(vrAddrErrs, c.AddressErrors, name, vrid)
	s.count(vrLost, c.PacketsLost, name, vrid)
	s.lateness(c.Lateness, name, vrid)
}

// lateness makes a histogram, whose buckets each count all below their bound.
func (s sink) lateness(l status.Lateness, labels ...string) {
	var total uint64
	buckets := make(map[float64]uint64, len(status.LatenessBounds))
	for i, bound := range status.LatenessBounds {
		if i < len(l.Buckets) {
			total += l.Buckets[i]
		}
		buckets[bound.Seconds()] = total
	}
	if last := len(status.LatenessBounds); last < len(l.Buckets) {
		total += l.Buckets[last]
	}
	s.ch <- prometheus.MustNewConstHistogram(vrLateness, total, l.Sum.Seconds(), buckets, valid(labels)...)
	s.gauge(vrLatest, l.Max.Seconds(), labels...)
}
