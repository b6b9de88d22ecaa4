package testenv

import (
	"fmt"
	"os"
	"strings"
)

// Where a node's files are, as the node sees them. /run is private to it.
const (
	controlSocket = "/run/ngha/ngha.sock"
	statusSocket  = "/run/ngha/nginx.sock"
)

// SlowPath is a location of every node's whose answer takes two seconds.
const SlowPath = "/slow"

// SlowLocation is SlowPath in nginx's configuration. It is made of memory: nginx's
// workers may not be let into the folders of a test.
func SlowLocation() string {
	return fmt.Sprintf(`location = %s { set $k "%s"; set $m "%s"; limit_rate 32k; return 200 $m; }`,
		SlowPath, strings.Repeat("slow", 256), strings.Repeat("$k", 64))
}

// nginxConf answers every request on port 80 with the node's name, in the body
// and in the header X-Node. All it writes, but for the error log, is in /run.
const nginxConf = `worker_processes 2;
pid /run/nginx/nginx.pid;
error_log ERRORLOG info;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path /run/nginx/body;
    proxy_temp_path /run/nginx/proxy;
    fastcgi_temp_path /run/nginx/fastcgi;
    uwsgi_temp_path /run/nginx/uwsgi;
    scgi_temp_path /run/nginx/scgi;
    server {
        LISTEN
        add_header X-Node NAME always;
        location / { return 200 "NAME\n"; }
        SLOW
        SERVER
    }
    server {
        listen unix:STATUS;
        location = /stub_status { stub_status; }
    }
}
`

// writeNginx writes the configuration of one nginx on h, in a directory of its
// own, and returns its path.
func (l *Lab) writeNginx(h *Host, name, server string) string {
	l.t.Helper()
	return l.write(name+".nginx/nginx.conf", l.nginxText(h, name, server))
}

func (l *Lab) nginxText(h *Host, name, server string) string {
	l.t.Helper()
	listen := "listen 80;"
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil {
		listen += " listen [::]:80;"
	}
	return strings.NewReplacer(
		"ERRORLOG", l.nginxLog(name), "LISTEN", listen, "NAME", h.name,
		"SLOW", SlowLocation(), "SERVER", server, "STATUS", statusSocket,
	).Replace(nginxConf)
}

func (l *Lab) nginxLog(name string) string {
	l.t.Helper()
	path := l.path(name + ".nginx-error.log")
	l.watchLog(name+".nginx-error", path)
	return path
}

// nginxArgs are nginx's arguments: -e, or it would open the machine's own log
// before it reads the configuration.
func (l *Lab) nginxArgs(name, conf string) []string {
	l.t.Helper()
	return []string{"-e", l.nginxLog(name), "-c", conf, "-g", "daemon off;"}
}

// nghaYAML renders a node's configuration file.
func (n *Node) nghaYAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "control: {socket: %s}\n", controlSocket)
	if n.RealTime {
		b.WriteString("realtime: true\n")
	}
	b.WriteString(n.Config)
	if n.VRID == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "\nvirtual_routers:\n  - vrid: %d\n", n.VRID)
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	line("addresses: %s", yamlList(n.VIPs))
	if n.Interface != "" {
		line("interface: %s", n.Interface)
	}
	if n.Priority != 0 {
		line("priority: %d", n.Priority)
	}
	if n.Interval != 0 {
		line("interval: %v", n.Interval)
	}
	if n.Version != 0 {
		line("version: %d", n.Version)
	}
	if len(n.Peers) > 0 {
		line("peers: %s", yamlList(n.Peers))
	}
	if n.Failback != "" {
		line("failback: %s", n.Failback)
	}
	if n.Unhealthy != "" {
		line("unhealthy: %s", n.Unhealthy)
	}
	for more := range strings.Lines(n.Router) {
		line("%s", strings.TrimRight(more, "\n"))
	}
	return b.String()
}

// yamlList renders strings as a flow sequence; IPv6 addresses need the quotes.
func yamlList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
