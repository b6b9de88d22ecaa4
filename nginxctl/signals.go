package nginxctl

import (
	"bytes"
	"fmt"
	"strconv"
)

// signals are the signal masks of a process as /proc/PID/status shows them. The
// kernel reads them under one lock, so they belong together. Bit n-1 is signal n.
type signals struct{ pending, blocked, caught uint64 }

// hup is SIGHUP's bit.
const hup = 1 << 0

// idle reports whether a master sleeps in sigsuspend with its handlers
// installed and no reload before it. While it works it blocks its signals.
func (s signals) idle() bool {
	return s.caught&hup != 0 && s.blocked == 0 && s.pending&hup == 0
}

func readSignals(pid int) (signals, error) {
	b, err := readProc(pid, "status")
	if err != nil {
		return signals{}, err
	}
	var s signals
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		var set *uint64
		switch string(name) {
		case "SigPnd", "ShdPnd":
			set = &s.pending
		case "SigBlk":
			set = &s.blocked
		case "SigCgt":
			set = &s.caught
		default:
			continue
		}
		mask, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		if err != nil {
			return signals{}, fmt.Errorf("/proc/%d/status: %s: %w", pid, name, err)
		}
		*set |= mask
	}
	return s, nil
}
