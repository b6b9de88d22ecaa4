package nginxctl

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CapabilityError says that nginx runs with a capability which it does not
// need. It is a warning: nginx was started.
type CapabilityError struct {
	Capability string // "CAP_NET_ADMIN" or "CAP_NET_RAW"
	Err        error
}

func (e *CapabilityError) Error() string {
	return fmt.Sprintf("nginx keeps %s: dropping it: %v; give ngha CAP_SETPCAP as well", e.Capability, e.Err)
}

func (e *CapabilityError) Unwrap() error { return e.Err }

var networkCapabilities = []struct {
	name  string
	value uint
}{
	{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN},
	{"CAP_NET_RAW", unix.CAP_NET_RAW},
}

// dropNetworkCapabilities takes the network capabilities from the calling
// thread for good, and from what it executes. The bounding set goes first: to
// drop from it needs CAP_SETPCAP, and without it a root process would get the
// capability back at execve(2).
func dropNetworkCapabilities() error {
	var errs []error
	for _, c := range networkCapabilities {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c.value), 0, 0, 0)
		if err != nil || in == 0 {
			continue // unknown to the kernel, or not there
		}
		err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c.value), 0, 0, 0)
		if err != nil && os.Geteuid() == 0 {
			errs = append(errs, &CapabilityError{c.name, err})
		}
	}

	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // capabilities 0-31 and 32-63
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return errors.Join(append(errs, fmt.Errorf("read capabilities: %w", err))...)
	}
	for _, c := range networkCapabilities {
		s, bit := &sets[c.value/32], uint32(1)<<(c.value%32)
		s.Effective &^= bit
		s.Permitted &^= bit
		s.Inheritable &^= bit // and with it the ambient one
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		errs = append(errs, fmt.Errorf("lower capabilities: %w", err))
	}
	return errors.Join(errs...)
}

// closeOnExec marks every descriptor above 2, so that what our own parent left
// open does not reach nginx, too. Our own are marked from birth, and exec.Cmd
// hands over copies.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	// Kernels before 5.11 have no such flag.
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list own descriptors: %w", err)
	}
	for _, d := range fds {
		if fd, err := strconv.Atoi(d.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
