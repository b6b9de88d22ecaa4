package config

import (
	"fmt"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// The tables below are all that a configuration can say: each key with its
// default, its flag, its help and how it is read. The environment, the command
// line and the documentation are made of them. Keys are read in their order
// here: version comes before interval, which depends on it.

var rootKeys = keys[Config]{
	{
		name: "node", flag: "node", arg: "NAME", help: "this node's name in status and hooks; left out: the host's name",
		read: func(d *decoder, n *node, c *Config) { c.Node, _ = d.name(n, "node") },
	},
	{
		name: "realtime", value: "false", flag: "realtime", arg: "BOOL", help: "whether ngha, and not nginx, has real-time scheduling and locked memory; wants CAP_SYS_NICE and CAP_IPC_LOCK",
		read: func(d *decoder, n *node, c *Config) { c.Realtime, _ = d.truth(n) },
	},
	within("nginx", nginxKeys, func(c *Config) *Nginx { return &c.Nginx }),
	within("health", healthKeys, func(c *Config) *Health { return &c.Health }),
	each("checks", checkKeys, func(c *Config) *[]Check { return &c.Checks }, checkTogether),
	each("virtual_routers", routerKeys, func(c *Config) *[]VirtualRouter { return &c.VirtualRouters }, routersTogether),
	each("hooks", hookKeys, func(c *Config) *[]Hook { return &c.Hooks }, hooksTogether),
	within("control", controlKeys, func(c *Config) *Control { return &c.Control }),
	within("metrics", metricsKeys, func(c *Config) *Metrics { return &c.Metrics }),
	within("log", logKeys, func(c *Config) *Log { return &c.Log }),
}

var nginxKeys = keys[Nginx]{
	{
		name: "command", value: `[nginx, -g, "daemon off;"]`,
		help: "nginx with its arguments, or a script that execs it; what follows -- on the command line wins",
		read: func(d *decoder, n *node, c *Nginx) { c.Command, _ = d.argv(n, `[nginx, -g, "daemon off;"]`) },
	},
	{
		name: "reload", value: "auto", flag: "reload", arg: "WORD", help: "auto: when the configuration's files have changed and settled; manual: only when asked to",
		read: func(d *decoder, n *node, c *Nginx) {
			w, _ := d.word(n, "way to reload", "auto", "manual")
			c.Manual = w == "manual"
		},
	},
	{
		name: "settle", value: "2s", help: "how long files that changed must have been left alone",
		read: func(d *decoder, n *node, c *Nginx) {
			c.Settle, _ = d.duration(n, "settle", 10*time.Millisecond, time.Hour)
		},
	},
	{
		name: "state", help: "a private folder for the copy of the last good configuration; left out: beside the control socket",
		read: func(d *decoder, n *node, c *Nginx) { c.State, _ = d.folder(n) },
	},
	{
		name: "repair", value: "1s", help: "how long nobody may answer after a crash before the node steps down",
		read: func(d *decoder, n *node, c *Nginx) { c.Repair, _ = d.duration(n, "repair", 0, time.Minute) },
	},
	{
		name: "restarts", value: "5", help: "how often nginx is started anew within a minute before ngha gives up",
		read: func(d *decoder, n *node, c *Nginx) { c.Restarts, _ = d.number(n, "restarts", 0, 60) },
	},
	{
		name: "keep_capabilities", value: "false", help: "whether nginx keeps NET_ADMIN and NET_RAW where ngha has them, as proxy_bind with transparent needs",
		read: func(d *decoder, n *node, c *Nginx) { c.KeepCapabilities, _ = d.truth(n) },
	},
	{
		name: "shutdown", value: "9s", flag: "shutdown", arg: "DURATION", help: "the whole time of an orderly end, in which requests are served to their end; Docker kills after 10s",
		read: func(d *decoder, n *node, c *Nginx) { c.Shutdown, _ = d.duration(n, "shutdown", time.Second, time.Hour) },
	},
}

var healthKeys = keys[Health]{
	{
		name: "url", flag: "health-url", arg: "URL", help: "nginx's stub_status, http://HOST:PORT/PATH or http://unix:/SOCKET:/PATH; left out: found in nginx's configuration",
		read: func(d *decoder, n *node, c *Health) { c.URL, _ = d.url(n, true) },
	},
	{
		name: "interval", value: "200ms", help: "from the start of one probe to the start of the next",
		read: func(d *decoder, n *node, c *Health) {
			c.Interval, _ = d.duration(n, "interval", 10*time.Millisecond, time.Minute)
		},
	},
	{
		name: "timeout", value: "500ms", help: "how long one probe may take",
		read: func(d *decoder, n *node, c *Health) {
			c.Timeout, _ = d.duration(n, "timeout", time.Millisecond, time.Minute)
		},
	},
	{
		name: "rise", value: "2", help: "answers in a row that make the node healthy",
		read: func(d *decoder, n *node, c *Health) { c.Rise, _ = d.number(n, "rise", 1, 100) },
	},
	{
		name: "fall", value: "3", help: "failures in a row that make the node ill",
		read: func(d *decoder, n *node, c *Health) { c.Fall, _ = d.number(n, "fall", 1, 100) },
	},
}

var checkKeys = keys[Check]{
	{
		name: "name", help: "required; what status and logs call the check",
		read: func(d *decoder, n *node, c *Check) { c.Name, _ = d.name(n, "check") },
	},
	{
		name: "arp", help: "an IPv4 address that must answer ARP, such as the gateway's",
		read: func(d *decoder, n *node, c *Check) {
			if text, ok := d.text(n, "write one IPv4 address"); ok {
				c.ARP, _ = d.target(n, text)
			}
		},
	},
	{
		name: "http", help: "a URL whose answer must have a status from 200 to 399",
		read: func(d *decoder, n *node, c *Check) { c.HTTP, _ = d.url(n, false) },
	},
	{
		name: "link", help: "a network interface that must be up and have carrier",
		read: func(d *decoder, n *node, c *Check) { c.Link, _ = d.iface(n) },
	},
	{
		name: "exec", help: "a program, by absolute path, and its arguments; it must exit 0; no shell",
		read: func(d *decoder, n *node, c *Check) { c.Exec, _ = d.exec(n) },
	},
	{
		name: "interval", value: "1s", help: "from the start of one question to the start of the next",
		read: func(d *decoder, n *node, c *Check) {
			c.Interval, _ = d.duration(n, "interval", 10*time.Millisecond, time.Hour)
		},
	},
	{
		name: "timeout", value: "1s", help: "how long one question may take",
		read: func(d *decoder, n *node, c *Check) {
			c.Timeout, _ = d.duration(n, "timeout", time.Millisecond, time.Hour)
		},
	},
	{
		name: "rise", value: "2", help: "good answers in a row after which the check passes again",
		read: func(d *decoder, n *node, c *Check) { c.Rise, _ = d.number(n, "rise", 1, 100) },
	},
	{
		name: "fall", value: "3", help: "bad answers in a row after which the check fails",
		read: func(d *decoder, n *node, c *Check) { c.Fall, _ = d.number(n, "fall", 1, 100) },
	},
}

var routerKeys = keys[VirtualRouter]{
	{
		name: "name", help: "what status, logs and hooks call it; left out: vrid-N",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.Name, _ = d.name(n, "virtual router") },
	},
	{
		name: "vrid", flag: "vrid", arg: "N", help: "required; the virtual router's number, 1-255, which all its nodes share and nobody else on the network uses",
		read: func(d *decoder, n *node, v *VirtualRouter) {
			id, _ := d.number(n, "VRID", 1, 255)
			v.VRRP.VRID = uint8(id)
		},
	},
	{
		name: "interface", flag: "interface", arg: "NAME", help: "the network interface; left out: the one whose own network holds the first address",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.Interface, _ = d.iface(n) },
	},
	{
		name: "addresses", flag: "vip", arg: "ADDRESS", many: true, help: "required; the virtual IP addresses, of IPv4, IPv6 or both",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Addrs = d.addresses(n) },
	},
	{
		name: "virtual_mac", value: "false", help: "true: the addresses are not at the interface's own MAC address but at the virtual router's, 00-00-5E-00-01-VRID",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VirtualMAC, _ = d.truth(n) },
	},
	{
		name: "priority", value: "100", flag: "priority", arg: "N", help: "2-254; the healthy node with the highest becomes active",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Priority = d.priority(n) },
	},
	{
		name: "version", value: "3", flag: "vrrp-version", arg: "N", help: "of VRRP: 3, or 2 beside old routers",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Version = d.version(n) },
	},
	{
		name: "interval", value: "1s", flag: "advert-interval", arg: "DURATION", help: "from one advertisement to the next: 10ms-40s in steps of 10ms; version 2: whole seconds",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Interval = d.interval(n, v.VRRP.Version) },
	},
	{
		name: "checksum", value: "pseudo-header", flag: "checksum", arg: "MODE", help: "of version 3: pseudo-header, as keepalived sends it, or rfc9568; both are accepted",
		read: func(d *decoder, n *node, v *VirtualRouter) {
			if w, ok := d.word(n, "checksum", "pseudo-header", "rfc9568"); ok && w == "rfc9568" {
				v.VRRP.Checksum = vrrp.MessageOnly
			}
		},
	},
	{
		name: "peers", flag: "peer", arg: "HOST", many: true, help: "the other nodes' own addresses or host names; left out: multicast",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.Peers = d.peers(n) },
	},
	{
		name: "allow_routed", value: "false", help: "true: a peer may be behind a router; otherwise TTL 255 is demanded of what it sends",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Routed, _ = d.truth(n) },
	},
	{
		name: "password", flag: "password", arg: "TEXT", quiet: true, help: "of version 2, up to 8 bytes, beside old routers that have one; everybody on the network can read it",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Password = d.password(n) },
	},
	{
		name: "password_file", flag: "password-file", arg: "FILE", help: "a file of mode 0600 with the password",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Password = d.passwordFile(n) },
	},
	{
		name: "auth", value: "{}", below: authKeys.settings("auth."),
		read: func(d *decoder, n *node, v *VirtualRouter) { d.auth(n, v) },
	},
	{
		name: "group", help: "a name that virtual routers share which move together: each of them must be fit to, or none of them is active here",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.Group, _ = d.name(n, "group") },
	},
	{
		name: "failback", value: "now", flag: "failback", arg: "WORDS", help: "when a better node takes the addresses back: now, \"after 30s\" (of health) or never",
		read: func(d *decoder, n *node, v *VirtualRouter) { v.VRRP.Failback = d.failback(n) },
	},
	{
		name: "unhealthy", value: "last-resort", flag: "unhealthy", arg: "WORD", help: "what an ill node does after it stepped down: last-resort (priority 1) or release (stay out)",
		read: func(d *decoder, n *node, v *VirtualRouter) {
			w, _ := d.word(n, "way to be unhealthy", "last-resort", "release")
			v.Release = w == "release"
		},
	},
}

var hookKeys = keys[Hook]{
	{
		name: "on", help: "required; the states to run for: active, backup, stopped",
		read: func(d *decoder, n *node, h *Hook) { h.On = d.states(n) },
	},
	{
		name: "exec", help: "required; a program, by absolute path, and its arguments; no shell",
		read: func(d *decoder, n *node, h *Hook) { h.Exec, _ = d.exec(n) },
	},
	{
		name: "timeout", value: "10s", help: "after which the program is killed and run again",
		read: func(d *decoder, n *node, h *Hook) {
			h.Timeout, _ = d.duration(n, "timeout", 10*time.Millisecond, time.Hour)
		},
	},
}

var controlKeys = keys[Control]{
	{
		name: "socket", value: "/run/ngha/ngha.sock", flag: "socket", arg: "PATH", help: "the control socket's absolute path",
		read: func(d *decoder, n *node, c *Control) { c.Socket, _ = d.socket(n) },
	},
	{
		name: "group", value: `""`, help: "the group that may use the control socket beside root",
		read: func(d *decoder, n *node, c *Control) { c.Group, _ = d.group(n) },
	},
}

var metricsKeys = keys[Metrics]{{
	name: "listen", value: "127.0.0.1:9650", flag: "metrics", arg: "HOST:PORT", help: "where Prometheus finds the metrics; off: nowhere",
	read: func(d *decoder, n *node, m *Metrics) { m.Listen, _ = d.listen(n) },
}}

var logKeys = keys[Log]{
	{
		name: "format", value: "auto", flag: "log-format", arg: "FORMAT", help: "text, json, or auto: text on a terminal, JSON otherwise",
		read: func(d *decoder, n *node, l *Log) { l.Format, _ = d.word(n, "log format", "auto", "text", "json") },
	},
	{
		name: "level", value: "info", flag: "log-level", arg: "LEVEL", help: "debug, info, warn or error",
		read: func(d *decoder, n *node, l *Log) {
			l.Level, _ = d.word(n, "log level", "debug", "info", "warn", "error")
		},
	},
}

// target reads the address that an ARP check asks for.
func (d *decoder) target(n *node, text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	what, cure := unsuitable(a)
	if what == "" && a.Is6() {
		what, cure = fmt.Sprintf("%s is an IPv6 address, which is not asked for by ARP", a), "write one IPv4 address, such as the gateway's, or use an exec check"
	}
	if err != nil {
		what, cure = show(text)+" is not an IP address", "write one IPv4 address, such as the gateway's"
	}
	if what != "" {
		d.fault(n.place, what, cure)
		return netip.Addr{}, false
	}
	return a, true
}
