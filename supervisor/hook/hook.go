package hook

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Hook is a command and the states that it is run for.
type Hook struct {
	On      []string      // "active", "backup", "stopped"
	Exec    []string      // program and arguments
	Timeout time.Duration // of one run; zero means 10s
}

// Event is the state that a virtual router has entered.
type Event struct {
	State     string // "active", "backup" or "stopped"
	Reason    string
	Name      string // of the virtual router; it tells one from another
	VRID      uint8
	Interface string // "" while none is found
	Addresses []netip.Prefix
	Priority  uint8
}

// environment is what a command sees of e.
func (e Event) environment(node string) []string {
	addresses := make([]string, len(e.Addresses))
	for i, a := range e.Addresses {
		addresses[i] = a.String()
	}
	return []string{
		"NGHA_EVENT=" + e.State,
		"NGHA_STATE=" + e.State,
		"NGHA_REASON=" + e.Reason,
		"NGHA_NODE=" + node,
		"NGHA_NAME=" + e.Name,
		fmt.Sprintf("NGHA_VRID=%d", e.VRID),
		"NGHA_INTERFACE=" + e.Interface,
		"NGHA_ADDRESSES=" + strings.Join(addresses, " "),
		fmt.Sprintf("NGHA_PRIORITY=%d", e.Priority),
	}
}

const (
	// retryMin and retryMax bound the wait after a failure, which doubles.
	retryMin = time.Second
	retryMax = 30 * time.Second
	// againMin is the least time from the start of one run to that of a run
	// which Again asked for: a contradiction that lasts must not be a storm.
	againMin = 5 * time.Second
)

// task is one hook of one virtual router, and whether it is to be run.
type task struct {
	hook  *Hook
	event Event  // the newest that the hook is for
	turn  uint64 // of the event among all; breaks ties of due

	pending bool
	due     time.Time     // when pending
	wait    time.Duration // after the next failure
	began   time.Time     // start of the last run; zero: none yet
}

// set makes ev the state that t is run for, at once, or takes t out of work
// when its hook is not for that state.
func (t *task) set(now time.Time, turn uint64, ev Event) {
	t.event, t.turn = ev, turn
	t.pending = slices.Contains(t.hook.On, ev.State)
	t.due, t.wait = now, retryMin
}

// again has t run once more, unless a run is pending already.
func (t *task) again(now time.Time) {
	if t.pending || !slices.Contains(t.hook.On, t.event.State) {
		return
	}
	t.pending, t.wait = true, retryMin
	t.due = now
	if next := t.began.Add(againMin); !t.began.IsZero() && next.After(now) {
		t.due = next
	}
}

// retry makes t pending after a failed run.
func (t *task) retry(now time.Time) {
	t.pending = true
	t.due = now.Add(t.wait)
	t.wait = min(2*t.wait, retryMax)
}

// before tells whether t is to be run before u.
func (t *task) before(u *task) bool {
	if !t.due.Equal(u.due) {
		return t.due.Before(u.due)
	}
	return t.turn < u.turn
}
