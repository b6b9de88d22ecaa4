package testenv

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a set of PID, mount and UTS namespaces on a host's network, held
// by its first process: when that ends, the kernel kills the others.
type machine struct {
	host  *Host
	first *Process
	pidNS string // as /proc shows it

	mu       sync.Mutex // guards entrance while it is made
	entrance *thread    // whose children are born in the machine; nil until needed
}

// enterMachine runs as PID 1 of a new machine and becomes the command in "$@",
// after a root, the paths to share with it, and "--". $0 is the hostname.
// Without a root only /proc, /sys and /run are private: the rest of the file
// system is shared, /tmp with the test's files in it.
const enterMachine = `set -e
mount --make-rprivate /
at=
` + raiseRoot + `
mount -t proc proc "$at/proc"
mount -t sysfs sysfs "$at/sys"
mount -t tmpfs -o mode=755 tmpfs "$at/run"
mkdir "$at/run/ngha" "$at/run/nginx"
echo "$0" >"$at/proc/sys/kernel/hostname"
` + enterRoot + `
echo ready >&3
exec "$@" 3>&-`

// initScript is an init: while it waits, the shell reaps the orphans that the
// kernel gives it.
const initScript = `sleep infinity & wait`

// startLimit is how long a process may take to reach its own first line.
const startLimit = 20 * time.Second

// newMachine starts cmd as PID 1 of a new machine. It dies with the host's
// thread, hence with this process at the latest.
func (h *Host) newMachine(cmd *exec.Cmd) (*machine, error) {
	if err := h.find(cmd); err != nil {
		return nil, err
	}
	if len(cmd.ExtraFiles) > 0 {
		return nil, fmt.Errorf("start %s: ExtraFiles are taken", cmd.Path)
	}
	name := h.logName(cmd)
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	enter := append([]string{"sh", "-c", enterMachine, h.name}, h.root.arguments(h.lab)...)
	cmd.Args = slices.Concat(enter, []string{cmd.Path}, cmd.Args[1:])
	cmd.Path = shell
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	ready, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer ready.Close()
	cmd.ExtraFiles = []*os.File{write}
	p, err := h.launch(h.net.thread, cmd, name)
	write.Close()
	if err != nil {
		return nil, err
	}
	m := &machine{host: h, first: p}
	h.machines = append(h.machines, m)
	if err := ready.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(ready, make([]byte, len("ready"))); err != nil {
		return nil, fmt.Errorf("enter the namespaces for %s: %w\n%s", name, err, p.Log())
	}
	if m.pidNS, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p.PID())); err != nil {
		return nil, err
	}
	return m, nil
}

// start starts cmd in the machine as a child of this process, which the
// machine's other processes see with parent 0.
func (m *machine) start(cmd *exec.Cmd) (*Process, error) {
	if err := m.host.find(cmd); err != nil {
		return nil, err
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return m.host.launch(m.entrance, cmd, m.host.logName(cmd))
}

// run runs cmd in the machine to its end and returns all it wrote.
func (m *machine) run(cmd *exec.Cmd) (string, error) {
	if err := m.host.find(cmd); err != nil {
		return "", err
	}
	if err := m.open(); err != nil {
		return "", err
	}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second // for output held open by a child that stays
	if err := m.entrance.do(cmd.Start); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return output.String(), err
}

// open makes the entrance. A child started there must not have Pdeathsig: os
// compares its parent's id across the PID namespaces, and would end it at
// once. It dies with the machine's first process instead.
func (m *machine) open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entrance != nil {
		return nil
	}
	fd, err := unix.PidfdOpen(m.first.PID(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", m.first.PID(), err)
	}
	defer unix.Close(fd)
	m.entrance, err = startThread(func() error {
		// A thread that shares its root directory may not change the mount
		// namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare the file system attributes: %w", err)
		}
		const all = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID
		if err := unix.Setns(fd, all); err != nil {
			return fmt.Errorf("enter the namespaces of process %d: %w", m.first.PID(), err)
		}
		return nil
	})
	return err
}

// pids lists the machine's processes that satisfy match, by their ids outside
// of it.
func (m *machine) pids(match func(pid int) bool) (PIDs, error) { return pidsIn(m.pidNS, match) }

// pidsIn lists the processes of a PID namespace, which is named as /proc shows
// it, that satisfy match.
func pidsIn(namespace string, match func(pid int) bool) (PIDs, error) {
	return allPIDs(func(pid int) bool {
		// A process that has just gone has no link: not one of ours any more.
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		return err == nil && ns == namespace && match(pid)
	})
}

// allPIDs lists all processes that satisfy match.
func allPIDs(match func(pid int) bool) (PIDs, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found PIDs
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if match(pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// path is where this process finds one of the machine's files.
func (m *machine) path(name string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.first.PID(), name)
}

// kill ends every process of the machine at once, without a last word, and
// waits until they are gone.
func (m *machine) kill() {
	m.first.kill()
	if m.entrance != nil {
		m.entrance.close()
		m.entrance = nil
	}
}
