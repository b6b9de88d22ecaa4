package vrrp

import "time"

// SkewTime is how much longer than three intervals a Backup waits, and all it
// waits after a Priority 0 (RFC 9568 section 6.1). It grows as priority falls,
// so that of several Backups the best moves first. Under VRRPv2 it does not
// depend on the interval (RFC 3768 section 6.1).
func SkewTime(v Version, priority uint8, activeAdver time.Duration) time.Duration {
	unit := activeAdver
	if v == V2 {
		unit = time.Second
	}
	// The division comes last: skews of short intervals are fractions of a
	// millisecond and still keep Backups apart.
	return time.Duration(256-int(priority)) * unit / 256
}

// ActiveDownInterval is how long a Backup waits in silence before it takes
// over (RFC 9568 section 6.1; Master_Down_Interval in RFC 3768).
func ActiveDownInterval(v Version, priority uint8, activeAdver time.Duration) time.Duration {
	return 3*activeAdver + SkewTime(v, priority, activeAdver)
}

// pulseStep is by which part of an interval an advertisement may be early to come
// closer to the Pulse.
const pulseStep = 32

// inPulse returns when to advertise where t is an interval after the last time:
// at t, or a little earlier until the Pulse is reached, but never later. One
// waking of the processor then serves all virtual routers of the same Pulse.
func (c Config) inPulse(t time.Time) time.Time {
	if c.Pulse.IsZero() {
		return t
	}
	past := t.Sub(c.Pulse) % c.Interval
	if past < 0 {
		past += c.Interval
	}
	return t.Add(-min(past, c.Interval/pulseStep))
}

// earliest returns the first of the instants that are set; zero when none is.
func earliest(instants ...time.Time) time.Time {
	var first time.Time
	for _, t := range instants {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// due reports whether the instant t is set and has come.
func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
