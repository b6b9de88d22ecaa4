package testenv

import (
	"errors"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stampArrivals has the kernel note when each packet arrived.
func stampArrivals(raw syscall.RawConn) error {
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}); controlErr != nil {
		return controlErr
	}
	return err
}

// readStamped reads a TCP connection to its end, or to maxAnswer bytes, and
// returns when the last of them arrived at this host: the time on the wire, not
// that at which a goroutine came round to reading it.
func readStamped(raw syscall.RawConn) (data []byte, at time.Time, err error) {
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))))
	for len(data) < maxAnswer {
		var n, oobn int
		var readErr error
		if err := raw.Read(func(fd uintptr) bool {
			n, oobn, _, _, readErr = unix.Recvmsg(int(fd), buf, oob, 0)
			return !errors.Is(readErr, unix.EAGAIN)
		}); err != nil {
			return data, at, err
		}
		if readErr != nil {
			return data, at, readErr
		}
		if n == 0 {
			return data, at, nil
		}
		data = append(data, buf[:n]...)
		at = arrival(oob[:oobn])
	}
	return data, at, nil
}

// arrival finds the kernel's time stamp in control messages; without one it is
// now.
func arrival(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		size := int(unsafe.Sizeof(unix.Timespec{}))
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= size {
			ts := *(*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(ts.Unix())
		}
	}
	return time.Now()
}
