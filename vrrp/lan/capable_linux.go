package lan

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Capable returns an error when this process lacks what the package needs:
// CAP_NET_ADMIN to install addresses and CAP_NET_RAW to send and hear. It names
// the missing one and the cure.
func Capable() error {
	effective, err := effective()
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	if missing := lacking(effective); len(missing) > 0 {
		return fmt.Errorf("missing capability: %s: run as root, start the container with --cap-add %s, or give the systemd unit AmbientCapabilities=CAP_%s",
			strings.Join(missing, ", "), strings.Join(missing, " --cap-add "), strings.Join(missing, " CAP_"))
	}
	return nil
}

// lacking names what a capability set does not have of what is needed.
func lacking(effective uint64) []string {
	var missing []string
	if effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		missing = append(missing, "NET_ADMIN")
	}
	if effective&(1<<unix.CAP_NET_RAW) == 0 {
		missing = append(missing, "NET_RAW")
	}
	return missing
}

// effective is the calling thread's effective capability set.
func effective() (uint64, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&head, &data[0]); err != nil {
		return 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}
