package lan

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capable returns an error when this process lacks what the package needs:
// CAP_NET_ADMIN to install addresses and CAP_NET_RAW to send and hear. It names
// the missing one and the cure.
//
// What the process is permitted it makes effective first: a user other than root
// has that from capabilities on the program's file, which must not be effective
// by themselves, or the program could not be executed where they are withheld.
func Capable() error {
	s, err := ownCapabilities()
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	if len(lacking(s.effective)) == 0 {
		return nil
	}
	missing := lacking(s.permitted)
	if len(missing) == 0 {
		if err := s.raise(); err != nil {
			return fmt.Errorf("make the permitted capabilities effective: %w", err)
		}
		return nil
	}
	cure := fmt.Sprintf("run as root, start the container with --cap-add %s, or give the systemd unit AmbientCapabilities=CAP_%s",
		strings.Join(missing, " --cap-add "), strings.Join(missing, " CAP_"))
	if os.Geteuid() != 0 {
		cure += "; a user other than root also needs them on ngha's file, as in the image, and no no-new-privileges"
	}
	return fmt.Errorf("missing capability: %s: %s", strings.Join(missing, ", "), cure)
}

// lacking names what a capability set does not have of what is needed.
func lacking(set uint64) []string {
	var missing []string
	if set&(1<<unix.CAP_NET_ADMIN) == 0 {
		missing = append(missing, "NET_ADMIN")
	}
	if set&(1<<unix.CAP_NET_RAW) == 0 {
		missing = append(missing, "NET_RAW")
	}
	return missing
}

// capabilities are those of a thread.
type capabilities struct{ effective, permitted, inheritable uint64 }

// ownCapabilities are the calling thread's.
func ownCapabilities() (capabilities, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&head, &data[0]); err != nil {
		return capabilities{}, os.NewSyscallError("capget", err)
	}
	join := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	return capabilities{
		effective:   join(data[0].Effective, data[1].Effective),
		permitted:   join(data[0].Permitted, data[1].Permitted),
		inheritable: join(data[0].Inheritable, data[1].Inheritable),
	}, nil
}

// raise makes the needed ones of s, which are permitted, effective on every
// thread. They must all have the same sets until now.
func (s capabilities) raise() error {
	s.effective |= 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(s.effective), Permitted: uint32(s.permitted), Inheritable: uint32(s.inheritable)},
		{Effective: uint32(s.effective >> 32), Permitted: uint32(s.permitted >> 32), Inheritable: uint32(s.inheritable >> 32)},
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOTSUP: // the C library's threads are out of reach
		return fmt.Errorf("%w: this ngha was built with cgo; build it with CGO_ENABLED=0", errno)
	}
	return os.NewSyscallError("capset", errno)
}
