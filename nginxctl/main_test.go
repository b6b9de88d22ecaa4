package nginxctl

import (
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// refuseGetfd is the environment variable by which the tests run under a filter
// such as a container engine's.
const refuseGetfd = "NGHA_TEST_REFUSE_GETFD"

func TestMain(m *testing.M) {
	nginxtest.Main()
	if os.Getenv(refuseGetfd) != "" {
		if err := filterGetfd(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// filterGetfd has pidfd_getfd answered with EPERM, in all threads and for good.
func filterGetfd() error {
	const number = 0 // offset of the system call's number in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIDFD_GETFD, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, seccompAllThreads, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("filter system calls: %w", errno)
	}
	return nil
}

// From linux/seccomp.h.
const (
	seccompErrno      = 0x00050000
	seccompAllow      = 0x7fff0000
	seccompAllThreads = 1
)
