package lan

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes its reader whenever the wall clock was set, which the kernel also
// does when the machine wakes from a suspend. That wake cannot be had in a
// test, nor may one set the clock: it is the part of this file without a test.
type alarm struct{ file *os.File }

func openAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	a := &alarm{os.NewFile(uintptr(fd), "timer")}
	if err := a.arm(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// arm sets the timer to a time so far off that only a change of the clock ends
// it.
func (a *alarm) arm() error {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	far, err := unix.TimeToTimespec(time.Now().AddDate(10, 0, 0))
	if err != nil {
		return fmt.Errorf("far time: %w", err)
	}
	const flags = unix.TFD_TIMER_ABSTIME | unix.TFD_TIMER_CANCEL_ON_SET
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.TimerfdSettime(int(fd), flags, &unix.ItimerSpec{Value: far}, nil)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("timerfd_settime", err)
}

// wait returns when the clock was set. After close the error is os.ErrClosed.
func (a *alarm) wait() error {
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil && !errors.Is(err, unix.ECANCELED) {
		return err
	}
	return a.arm()
}

func (a *alarm) close() error { return a.file.Close() }

// suspendTolerance is more than the error of reading two clocks one after the
// other, and less than any suspend.
const suspendTolerance = 10 * time.Millisecond

// slept tells whether the machine was suspended between two readings of
// timeAsleep.
func slept(before, after time.Duration) bool {
	return after-before > suspendTolerance
}

// timeAsleep is how long the machine has been suspended since it booted: by
// what CLOCK_BOOTTIME, which counts it, is ahead of CLOCK_MONOTONIC, which does
// not.
func timeAsleep() (time.Duration, error) {
	var best, asleep time.Duration
	for try := range 5 { // a thread may be kept waiting between two readings
		before, err1 := clock(unix.CLOCK_MONOTONIC)
		boot, err2 := clock(unix.CLOCK_BOOTTIME)
		after, err3 := clock(unix.CLOCK_MONOTONIC)
		if err := errors.Join(err1, err2, err3); err != nil {
			return 0, err
		}
		if span := after - before; try == 0 || span < best {
			best, asleep = span, boot-before
		}
	}
	return asleep, nil
}

func clock(id int32) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}
