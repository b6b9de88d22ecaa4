package nginxctl

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Crew is what one master's processes have come to, as of the last look at
// them. It is a plain value.
type Crew struct {
	Loads   int    // configurations that the master has loaded, its first included, whoever asked for it
	Workers int    // that serve the last of them
	Missing int    // fewer than there were when it was loaded, and not coming: nginx does not replace a worker that gives up
	Crashes int    // workers that ended without having been told to
	Crash   string // the last of these ends, in nginx's words where its log can be read

	Lingering []Cohort // workers of earlier loads that finish what they serve, oldest first
	Hang      *Hang    // nil: the master does what it is for
}

// A Cohort are the workers of one load that are shutting down.
type Cohort struct {
	Load    int // the how many-th of the master's
	Workers int
	Since   time.Time // when they were seen to have been replaced
}

// A Hang is a master that takes no signal: it replaces no worker and loads
// nothing, and the workers go on as they are.
type Hang struct {
	Since   time.Time
	Stopped bool // by SIGSTOP; else it works on something, or waits in the kernel
}

func (h Hang) String() string {
	if h.Stopped {
		return "nginx's master is stopped (SIGSTOP)"
	}
	return "nginx's master does not come to an end of something, such as a look-up of names or a slow disk, and takes no signals"
}

// crew follows the children of one master through looks at them. Crashes and
// reloads both end workers and start others; what tells them apart is written at
// replaced, and what tells both from an end of nginx at doors.
type crew struct {
	load    int
	serving []Process // of the last load; those which take their title yet included
	full    int       // how many there were after the load
	left    bool      // some of them were told to end though nginx goes on
	gone    []cohort  // of earlier loads, oldest first
	crashes int
}

type cohort struct {
	load  int
	procs []Process
	since time.Time
}

// newCrew begins with the children of a master that has got ready.
func newCrew(children []Process) crew {
	c := crew{load: 1}
	c.serve(slices.DeleteFunc(slices.Clone(children), isNoWorker))
	return c
}

// serve makes procs the workers of the present load.
func (c *crew) serve(procs []Process) {
	c.serving, c.full, c.left = procs, len(procs), false
}

// isNoWorker reports whether p, a master's child, is neither a worker nor about
// to become one: one that has just been forked has its parent's title, and while
// it takes its own a part of that.
func isNoWorker(p Process) bool {
	return !p.IsWorker() && !p.IsMaster() && !strings.HasPrefix("nginx: worker process", p.Title)
}

// reloaded takes in the children as they are after a reload that was applied.
func (c *crew) reloaded(children []Process, at time.Time) {
	c.prune(children)
	c.replace(c.fresh(children), children, at)
}

// observe takes in the children as they are now, and returns workers that
// crashed since the last look. d are the master's doors after that. now is the
// time since boot, by which processes' start times go; at is the same instant.
func (c *crew) observe(children []Process, d doors, now time.Duration, at time.Time) (crashed []Process) {
	c.prune(children)
	var staying, leaving, ended []Process
	for _, p := range c.serving {
		i := slices.IndexFunc(children, p.same)
		switch {
		case i < 0:
			ended = append(ended, p)
		case children[i].ShuttingDown():
			leaving = append(leaving, p)
		default:
			staying = append(staying, p)
		}
	}
	fresh := c.fresh(children)
	deserted := len(c.serving) == 0 && (c.full == 0 || c.left)
	switch {
	case len(fresh) > 0 && (len(leaving) > 0 || deserted && grown(fresh, now) ||
		len(ended) > 0 && c.replaced(len(staying), fresh, now)):
		c.replace(fresh, children, at)
		return nil
	case deserted && d != doorsClosed: // until a reload, of which all are there once they are grown
		return nil
	case len(leaving) > 0 && d == doorsOpen: // for others that have given up already, or that come after it
		c.linger(leaving, at)
		c.serving, c.left = staying, true
		return nil
	case len(leaving) > 0 || d == doorsClosed: // nginx is being ended
		c.linger(leaving, at)
		c.serve(staying)
		return nil
	}
	c.crashes += len(ended)
	// Their successors. More than are missing are a reload that is not done.
	c.serving = append(staying, fresh[:min(len(fresh), c.full-len(staying))]...)
	c.left = c.left && len(c.serving) < c.full
	return ended
}

// replaced tells a reload from a crash when workers have ended: after a reload
// all are replaced, and the new ones are grown. Whoever is late to look may take
// the crash of all workers at once for a reload.
func (c *crew) replaced(staying int, fresh []Process, now time.Duration) bool {
	return grown(fresh, now) && (staying == 0 || staying+len(fresh) > c.full)
}

// grown reports whether the oldest of fresh is too old for the successor of a
// worker that has just crashed, which is born with its end. A reload's new ones
// are 100 ms old when the old ones are told to end.
func grown(fresh []Process, now time.Duration) bool {
	return now-time.Duration(fresh[0].StartTime)*clockTick >= respawnMax
}

// fresh are the workers that are new, oldest first.
func (c *crew) fresh(children []Process) []Process {
	known := func(p Process) bool {
		return slices.ContainsFunc(c.serving, p.same) || slices.ContainsFunc(c.gone, func(o cohort) bool {
			return slices.ContainsFunc(o.procs, p.same)
		})
	}
	var list []Process
	for _, p := range children {
		if !isNoWorker(p) && !p.ShuttingDown() && !known(p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, byAge)
	return list
}

// replace puts fresh in the place of those that served, who linger.
func (c *crew) replace(fresh, children []Process, at time.Time) {
	c.linger(slices.DeleteFunc(c.serving, func(p Process) bool { return !slices.ContainsFunc(children, p.same) }), at)
	c.load++
	c.serve(fresh)
}

func (c *crew) linger(procs []Process, at time.Time) {
	switch last := len(c.gone) - 1; {
	case len(procs) == 0:
	case last >= 0 && c.gone[last].load == c.load:
		c.gone[last].procs = append(c.gone[last].procs, procs...)
	default:
		c.gone = append(c.gone, cohort{c.load, procs, at})
	}
}

// prune forgets who has ended of the earlier loads, and those that turned out
// to be no workers.
func (c *crew) prune(children []Process) {
	for i := range c.gone {
		c.gone[i].procs = slices.DeleteFunc(c.gone[i].procs, func(p Process) bool {
			return !slices.ContainsFunc(children, p.same)
		})
	}
	c.gone = slices.DeleteFunc(c.gone, func(o cohort) bool { return len(o.procs) == 0 })
	titled := func(p Process) bool {
		i := slices.IndexFunc(children, p.same)
		return i >= 0 && isNoWorker(children[i])
	}
	before := len(c.serving)
	c.serving = slices.DeleteFunc(c.serving, titled)
	c.full -= before - len(c.serving)
}

// report is c for others to read.
func (c *crew) report() Crew {
	r := Crew{Loads: c.load, Workers: len(c.serving), Crashes: c.crashes}
	if !c.left || len(c.serving) == 0 { // one that somebody told to quit is replaced when it has
		r.Missing = c.full - len(c.serving)
	}
	for _, o := range c.gone {
		r.Lingering = append(r.Lingering, Cohort{o.load, len(o.procs), o.since})
	}
	return r
}

// tellsOf reports whether words are about the end of one of procs.
func tellsOf(words string, procs []Process) bool {
	m := workerExit.FindStringSubmatch(words)
	return m != nil && slices.ContainsFunc(procs, func(p Process) bool { return strconv.Itoa(p.PID) == m[1] })
}

// lastCrash is the last that a log tells of the end of a worker which was not
// told to end.
func lastCrash(log string) (words string) {
	for line := range strings.Lines(log) {
		if fault, _, ok := parseFault(line); ok && workerExit.MatchString(fault) {
			words = fault
		}
	}
	return words
}
