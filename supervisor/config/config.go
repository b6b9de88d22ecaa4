package config

import (
	"net/netip"
	"time"

	"ngha/vrrp"
)

// Config is a validated configuration: every field is set, defaults included.
type Config struct {
	Node           string // the host's name, or --node
	Realtime       bool   // ngha has real-time scheduling and locked memory where it may
	Nginx          Nginx
	Health         Health
	Checks         []Check
	VirtualRouters []VirtualRouter
	Hooks          []Hook
	Control        Control
	Metrics        Metrics
	Log            Log
}

// Nginx says how nginx is run.
type Nginx struct {
	Command          []string      // nginx with its arguments, or a script that execs it
	Manual           bool          // reload: manual; files that changed wait for somebody to ask for it
	Settle           time.Duration // how long files that changed must have been left alone
	State            string        // folder for the copy of the last good configuration
	Repair           time.Duration // how long nobody may answer after a crash before the node steps down
	Restarts         int           // how many restarts within a minute before ngha gives up
	KeepCapabilities bool          // nginx keeps NET_ADMIN and NET_RAW where ngha has them
	Shutdown         time.Duration // the whole budget of an orderly end
}

// Health says how nginx is asked whether it serves.
type Health struct {
	URL        string        // "": found in nginx's configuration
	Interval   time.Duration // a probe starts every Interval
	Timeout    time.Duration // of one probe
	Rise, Fall int           // answers, or failures, in a row that change the verdict
}

// Check is one thing more that must hold for this node to be healthy. Exactly
// one of ARP, HTTP, Link and Exec is set.
type Check struct {
	Name       string
	ARP        netip.Addr
	HTTP       string
	Link       string
	Exec       []string
	Interval   time.Duration
	Timeout    time.Duration
	Rise, Fall int
}

// VirtualRouter is one virtual router and what surrounds it.
type VirtualRouter struct {
	Name       string
	Interface  string   // "": the one whose network holds the first address
	VirtualMAC bool     // the addresses are not at the interface's own MAC address
	Peers      []string // addresses or host names; empty: multicast
	Release    bool     // unhealthy: release instead of last-resort
	Group      string   // of virtual routers that move together; "": none
	KeysFile   string   // where Keys come from, to be read again; "": the environment
	Keys       []vrrp.Key
	VRRP       vrrp.Config // with Auth there are Keys
}

// Hook is a command that is run for states.
type Hook struct {
	On      []string // "active", "backup", "stopped"
	Exec    []string // program, by absolute path, and arguments; no shell
	Timeout time.Duration
}

// Control is the control socket.
type Control struct {
	Socket string
	Group  string // "": root alone may use it
}

// Metrics is the Prometheus endpoint.
type Metrics struct {
	Listen string // host:port; "": none
}

// Log says how ngha logs.
type Log struct {
	Format string // "auto", "text" or "json"
	Level  string // "debug", "info", "warn" or "error"
}
