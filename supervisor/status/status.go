// Package status is the snapshot of a running node: plain values which the
// command line, the control socket, the metrics and the hooks read. It knows
// nothing of how they came about, so that it can travel.
package status

import (
	"net/netip"
	"time"
)

// Status is one node at one instant.
type Status struct {
	Node           string          `json:"node"`
	Version        string          `json:"version"`
	Started        time.Time       `json:"started"`
	Health         Health          `json:"health"`
	Nginx          Nginx           `json:"nginx"`
	VirtualRouters []VirtualRouter `json:"virtual_routers"`
	// Warnings are conditions that want a person's eye and do not stop the
	// node: a peer name that does not resolve, a contradiction that lasts.
	Warnings []string `json:"warnings,omitempty"`
	// HooksRun counts hook runs that have ended, in whatever way.
	HooksRun uint64 `json:"hooks_run"`
	// HooksFailed counts hook runs that did not exit 0.
	HooksFailed uint64 `json:"hooks_failed"`
	// LogsDropped counts log lines that the log's reader was too slow for.
	LogsDropped uint64 `json:"logs_dropped"`
}

// Health is the gate's verdict on this node's nginx.
type Health struct {
	Healthy bool      `json:"healthy"` // false while State is not "healthy"
	State   string    `json:"state"`   // "starting", "healthy", "repairing", "ill"
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	URL     string    `json:"url,omitempty"` // the status endpoint that is asked
	Probes  Probes    `json:"probes"`
}

// Probes count what the status endpoint was asked.
type Probes struct {
	Answered uint64        `json:"answered"`
	Failed   uint64        `json:"failed"`
	Took     time.Duration `json:"took_ns"` // of the last one, whether it answered or failed
}

// Nginx is the supervised nginx.
type Nginx struct {
	PID           int         `json:"pid"`     // 0: none runs
	Version       string      `json:"version"` // of the program that runs: "1.22.1"
	Generation    uint64      `json:"generation"`
	Configuration string      `json:"configuration"`    // "current", "changed" on disk and not tried yet, "stale" when it was and did not hold, "unknown" before the first start
	Reason        string      `json:"reason,omitempty"` // why the configuration is stale
	Copy          bool        `json:"copy"`             // nginx runs from a copy of its last good configuration
	Since         time.Time   `json:"since"`            // start of the master
	Restarts      uint64      `json:"restarts"`         // after a crash, a freeze or a start that failed
	Reloads       uint64      `json:"reloads"`
	ReloadsFailed uint64      `json:"reloads_failed"`
	Workers       int         `json:"workers"`             // of the configuration that serves
	WorkerCrashes uint64      `json:"worker_crashes"`      // workers that ended without having been told to
	Lingering     []Lingering `json:"lingering,omitempty"` // by generation, oldest first; each once
	Connections   Connections `json:"connections"`
}

// Lingering are workers of an earlier configuration which finish what they
// serve.
type Lingering struct {
	Generation uint64    `json:"generation"` // 0: of an earlier ngha
	Workers    int       `json:"workers"`
	Since      time.Time `json:"since"`
}

// Connections are nginx's own figures from its status endpoint.
type Connections struct {
	Active   uint64 `json:"active"`
	Accepted uint64 `json:"accepted"`
	Handled  uint64 `json:"handled"`
	Requests uint64 `json:"requests"`
	Reading  uint64 `json:"reading"`
	Writing  uint64 `json:"writing"`
	Waiting  uint64 `json:"waiting"`
}

// VirtualRouter is one virtual router of this node.
type VirtualRouter struct {
	Name      string         `json:"name"`
	VRID      uint8          `json:"vrid"`
	Group     string         `json:"group,omitempty"` // of virtual routers that move together
	Keys      []int          `json:"keys,omitempty"`  // ids of the keys in use, the one that signs first
	Interface string         `json:"interface"`       // "" while none is found
	State     string         `json:"state"`           // "initialize", "backup", "active"
	Priority  uint8          `json:"priority"`        // what it takes part with now: 1 at last resort, 0 while out
	Since     time.Time      `json:"since"`           // of State
	Reason    string         `json:"reason"`          // of the last transition, or why it stays in Initialize
	Addresses []netip.Prefix `json:"addresses"`
	Active    *Peer          `json:"active,omitempty"` // who holds the addresses as far as we know; nil: nobody heard
	Alarms    []Alarm        `json:"alarms,omitempty"` // current ones, the oldest first; the node's Warnings tell of them too
	Counters  Counters       `json:"counters"`
}

// Alarm is something that is wrong with the advertisements that a node hears.
type Alarm struct {
	Name      string     `json:"name"`      // "version", "other addresses": the same words count discarded ones
	Sender    netip.Addr `json:"sender"`    // "": several more, one of whom What is about
	Discarded bool       `json:"discarded"` // false: what the advertisements say is done all the same
	What      string     `json:"what"`      // what the sender does, to be read behind its address
	Cure      string     `json:"cure"`
	Since     time.Time  `json:"since"`
	Count     uint64     `json:"count"` // of advertisements since Since
}

// Peer is a node as its advertisements show it.
type Peer struct {
	Address  netip.Addr `json:"address"`
	Priority uint8      `json:"priority"`
}

// Counters count since the start of ngha.
type Counters struct {
	AdvertisementsSent     uint64 `json:"advertisements_sent"`
	AdvertisementsReceived uint64 `json:"advertisements_received"`
	// The received ones of version 3 by how their checksum was computed.
	ChecksumsPseudoHeader uint64            `json:"checksums_pseudo_header"`
	ChecksumsRFC9568      uint64            `json:"checksums_rfc9568"`
	Discarded             map[string]uint64 `json:"discarded,omitempty"` // by reason
	PriorityZeroSent      uint64            `json:"priority_zero_sent"`
	PriorityZeroReceived  uint64            `json:"priority_zero_received"`
	BecameActive          uint64            `json:"became_active"`
	LeftActive            uint64            `json:"left_active"`
	Contradictions        uint64            `json:"contradictions"` // advertisements heard while Active from another claimant
	Announcements         uint64            `json:"announcements"`
	SendErrors            uint64            `json:"send_errors"`
	AddressErrors         uint64            `json:"address_errors"`
	PacketsLost           uint64            `json:"packets_lost"` // since they came faster than they were taken
	// Lateness is how long after its deadline the router's timer was served.
	Lateness Lateness `json:"lateness"`
}

// Lateness summarises a duration that should be near zero.
type Lateness struct {
	Buckets []uint64      `json:"buckets"` // counts at most LatenessBounds[i]; the last one is above them all
	Max     time.Duration `json:"max_ns"`
	Sum     time.Duration `json:"sum_ns"`
}

// Reload is what became of one request to reload nginx's configuration.
type Reload struct {
	Applied    bool          `json:"applied"`
	Generation uint64        `json:"generation"`       // the one that serves now
	Reason     string        `json:"reason,omitempty"` // nginx's own words why it was not applied
	Took       time.Duration `json:"took_ns"`
}

// LatenessBounds are the upper bounds of Lateness.Buckets but the last.
var LatenessBounds = []time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond,
}
