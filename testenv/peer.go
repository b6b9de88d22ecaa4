package testenv

import (
	"fmt"
	"os"
	"os/exec"
)

// StartKeepalived runs h's keepalived, under h's init, with the given
// configuration. It skips the test where keepalived is not installed.
func (l *Lab) StartKeepalived(h *Host, configuration string) *Process {
	l.t.Helper()
	cmd := exec.Command(h.requireBinary("keepalived"))
	// /run is the host's own; the number keeps two of one host apart.
	name := fmt.Sprintf("keepalived-%d", h.launched[h.name+".keepalived"]+1)
	conf := l.write(h.name+"."+name+".conf", configuration)
	cmd.Args = append(cmd.Args, "--dont-fork", "--log-console", "--log-detail", "--vrrp",
		"--use-file", conf, "--pid", "/run/"+name+".pid", "--vrrp_pid", "/run/"+name+"-vrrp.pid")
	return h.Start(cmd)
}

// StartNginx runs h's nginx, under h's init, configured as a Node's is, with
// more directives for its server block: a node without ngha, for peers.
func (l *Lab) StartNginx(h *Host, server string) *Process {
	l.t.Helper()
	path := h.requireBinary("nginx")
	conf := l.writeNginx(h, h.name, server)
	return h.Start(exec.Command(path, l.nginxArgs(h.name, conf)...))
}

// write writes a file of the lab, whole or not at all, and returns its path.
func (l *Lab) write(name, content string) string {
	l.t.Helper()
	path := l.path(name)
	if err := writeWhole(path, content); err != nil {
		l.t.Fatalf("%v", err)
	}
	return path
}

// writeWhole writes a file so that nobody sees a part of it.
func writeWhole(path, content string) error {
	part := path + ".part"
	if err := os.WriteFile(part, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
