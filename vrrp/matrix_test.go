package vrrp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ngha/vrrp"
)

// given brings a bench into a state of the matrix.
var given = map[string]func(*testing.T) *bench{
	"initialize": func(t *testing.T) *bench { return newBench(t) },
	"backup":     func(t *testing.T) *bench { return newBench(t).backup() },
	"active":     func(t *testing.T) *bench { return newBench(t).active() },
	// last-resort is an Active at last resort.
	"last-resort": func(t *testing.T) *bench {
		b := newBench(t)
		b.step(0, standing(vrrp.LastResort))
		return b.active()
	},
	// unicast is an Active whose only peer is lower.
	"unicast": func(t *testing.T) *bench {
		b := newBench(t, unicast)
		b.step(0, vrrp.PeersChanged{Peers: []netip.Addr{lower}})
		return b.active()
	},
	// lingering has been told to shut down and answers for its successor.
	"lingering": func(t *testing.T) *bench {
		b := newBench(t).active()
		b.step(0, vrrp.Shutdown{})
		b.wantState(vrrp.Active)
		return b
	},
	"ended": func(t *testing.T) *bench {
		b := newBench(t)
		b.step(0, vrrp.Shutdown{})
		return b
	},
}

// events are the names of all events in the matrix.
var events = []string{
	"startup", "shutdown", "received", "standing", "peers", "group", "address-removed",
	"send-failed", "acquire-failed", "suspended", "fault", "timer",
}

var errBoom = errors.New("boom")

const none = time.Duration(-1) // no deadline

// matrix holds every state with every event, the exact actions, and the
// deadline after them.
var matrix = []struct {
	name     string // state/event or state/event/case
	after    time.Duration
	event    vrrp.Event
	want     []vrrp.Action
	deadline time.Duration
}{
	{"initialize/startup", 0, vrrp.Startup{Source: self},
		acts(moved(vrrp.Initialize, vrrp.Backup, "started")), down},
	{"initialize/startup/without-source", 0, vrrp.Startup{}, nil, none},
	{"initialize/shutdown", 0, vrrp.Shutdown{}, nil, none},
	{"initialize/received", 0, heard(higher, 250), nil, none},
	{"initialize/received/invalid", 0, heard(self, 250), nil, none},
	{"initialize/standing/out", 0, standing(vrrp.Out), nil, none},
	{"initialize/peers", 0, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, none},
	{"initialize/group", 0, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, none}, // it is in none
	{"initialize/address-removed", 0, vrrp.AddressRemoved{}, nil, none},
	{"initialize/send-failed", 0, vrrp.SendFailed{Err: errBoom}, nil, none},
	{"initialize/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom}, nil, none},
	{"initialize/suspended", 0, vrrp.Suspended{}, nil, none},
	{"initialize/fault", 0, vrrp.Fault{Reason: "no carrier"}, nil, none},
	{"initialize/timer", time.Hour, vrrp.Timer{}, nil, none},

	{"backup/startup/source-changed", time.Second, vrrp.Startup{Source: higher}, nil, down - time.Second},
	{"backup/shutdown", 0, vrrp.Shutdown{}, acts(moved(vrrp.Backup, vrrp.Initialize, "shut down")), none},
	{"backup/received/higher", time.Second, heard(lower, 250), nil, down},
	{"backup/received/equal-from-lower-address", time.Second, heard(lower, 200), nil, down},
	{"backup/received/equal-from-higher-address", time.Second, heard(higher, 200), nil, down},
	{"backup/received/lower", time.Second, heard(higher, 199), nil, down - time.Second},
	{"backup/received/owner", time.Second, heard(lower, 255), nil, down},
	{"backup/received/priority-zero", time.Second, heard(lower, 0), nil, skew},
	{"backup/received/priority-zero-late", down - 50*ms, heard(lower, 0), nil, 50 * ms},
	{"backup/received/last-resort", time.Second, heard(higher, 1), nil, skew},
	{"backup/received/own-address", time.Second, heard(self, 250),
		acts(vrrp.Discard{Src: self, Reason: vrrp.ReasonOwnAddress}), down - time.Second},
	{"backup/standing/pending", time.Second, standing(vrrp.Pending), nil, none},
	{"backup/standing/last-resort", time.Second, standing(vrrp.LastResort), nil, down1 - time.Second},
	{"backup/standing/out", time.Second, standing(vrrp.Out), nil, none},
	{"backup/standing/same", time.Second, standing(vrrp.Healthy), nil, down - time.Second},
	{"backup/peers", time.Second, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, down - time.Second},
	{"backup/group", time.Second, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, down - time.Second}, // it is in none
	{"backup/address-removed", time.Second, vrrp.AddressRemoved{}, nil, down - time.Second},
	{"backup/send-failed", time.Second, vrrp.SendFailed{Err: errBoom}, nil, down - time.Second},
	{"backup/acquire-failed", time.Second, vrrp.AcquireFailed{Err: errBoom}, nil, down - time.Second},
	{"backup/suspended", time.Second, vrrp.Suspended{}, nil, down},
	{"backup/fault", time.Second, vrrp.Fault{Reason: "no carrier"},
		acts(moved(vrrp.Backup, vrrp.Initialize, "no carrier")), none},
	{"backup/timer/early", down - ms, vrrp.Timer{}, nil, ms},
	{"backup/timer", down, vrrp.Timer{},
		acts(send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "no advertisement for 3.2s")), 500 * ms},
	{"backup/timer/one-interval-late", down + time.Second, vrrp.Timer{},
		acts(send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "no advertisement for 4.2s")), 500 * ms},
	{"backup/timer/later", down + time.Second + 1, vrrp.Timer{}, nil, down},

	{"active/startup/source-changed", 100 * ms, vrrp.Startup{Source: higher}, nil, 400 * ms},
	{"active/shutdown", 100 * ms, vrrp.Shutdown{}, acts(send(0)), time.Second},
	{"active/received/higher", 100 * ms, heard(lower, 201),
		acts(send(200), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.1 has higher priority 201")), down},
	{"active/received/owner", 100 * ms, heard(lower, 255),
		acts(send(200), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.1 has higher priority 255")), down},
	{"active/received/equal-from-higher-address", 100 * ms, heard(higher, 200),
		acts(send(200), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.3 has the same priority 200 and a higher address")), down},
	{"active/received/equal-from-lower-address", 100 * ms, heard(lower, 200),
		acts(send(200), vrrp.Announce{}), 400 * ms},
	{"active/received/lower", 100 * ms, heard(higher, 199),
		acts(send(200), vrrp.Announce{}), 400 * ms},
	{"active/received/priority-zero", 100 * ms, heard(higher, 0),
		acts(send(200), vrrp.Announce{}), 400 * ms},
	{"active/received/other-vrid", 100 * ms, vrrp.Received{Src: higher, Adv: func() vrrp.Advertisement { a := advert(255); a.VRID = 8; return a }()},
		acts(vrrp.Discard{Src: higher, Reason: vrrp.ReasonVRID}), 400 * ms},
	{"active/standing/pending", 100 * ms, standing(vrrp.Pending), nil, 400 * ms},
	{"active/standing/last-resort", 100 * ms, standing(vrrp.LastResort),
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "stepped down: last resort")), 2 * time.Second},
	{"active/standing/out", 100 * ms, standing(vrrp.Out),
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "stepped down: out")), none},
	{"active/peers", 100 * ms, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, 400 * ms},
	{"active/group", 100 * ms, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, 400 * ms}, // it is in none
	{"active/address-removed", 100 * ms, vrrp.AddressRemoved{}, acts(vrrp.Acquire{}, vrrp.Announce{}), 400 * ms},
	{"active/send-failed/at-takeover", 0, vrrp.SendFailed{Err: errBoom},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "advertisement not sent: boom")), down},
	{"active/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "addresses not installed: boom")), 5 * time.Second},
	{"active/suspended", 100 * ms, vrrp.Suspended{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "woke from suspend")), down},
	{"active/fault", 100 * ms, vrrp.Fault{Reason: "no carrier"},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "no carrier")), none},
	{"active/timer/early", 100 * ms, vrrp.Timer{}, nil, 400 * ms},
	{"active/timer/announcement", 500 * ms, vrrp.Timer{}, acts(vrrp.Announce{}), 500 * ms},
	{"active/timer/advertisement", time.Second, vrrp.Timer{}, acts(send(200), vrrp.Acquire{}, vrrp.Announce{}), 500 * ms},
	{"active/timer/three-intervals-late", 3 * time.Second, vrrp.Timer{}, acts(send(200), vrrp.Acquire{}, vrrp.Announce{}), time.Second},
	{"active/timer/later", 3*time.Second + 1, vrrp.Timer{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "woke late: last advertisement left 3s ago")), down},

	{"last-resort/startup", 100 * ms, vrrp.Startup{Source: self}, nil, 400 * ms},
	{"last-resort/shutdown", 100 * ms, vrrp.Shutdown{},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "shut down")), none},
	{"last-resort/received/higher", 100 * ms, heard(lower, 2),
		acts(send(1), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.1 has higher priority 2")), down1},
	{"last-resort/received/equal-from-lower-address", 100 * ms, heard(lower, 1), acts(send(1), vrrp.Announce{}), 400 * ms},
	{"last-resort/standing/healthy", 100 * ms, standing(vrrp.Healthy), acts(send(200)), 400 * ms},
	{"last-resort/standing/out", 100 * ms, standing(vrrp.Out),
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "stepped down: out")), none},
	{"last-resort/standing/pending", 100 * ms, standing(vrrp.Pending), nil, 400 * ms},
	{"last-resort/peers", 100 * ms, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, 400 * ms},
	{"last-resort/group", 100 * ms, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, 400 * ms}, // it is in none
	{"last-resort/address-removed", 100 * ms, vrrp.AddressRemoved{}, acts(vrrp.Acquire{}, vrrp.Announce{}), 400 * ms},
	{"last-resort/send-failed", 0, vrrp.SendFailed{Err: errBoom},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "advertisement not sent: boom")), down1},
	{"last-resort/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "addresses not installed: boom")), 5 * time.Second},
	{"last-resort/suspended", 100 * ms, vrrp.Suspended{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "woke from suspend")), down1},
	{"last-resort/fault", 100 * ms, vrrp.Fault{Reason: "no carrier"},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "no carrier")), none},
	{"last-resort/timer", time.Second, vrrp.Timer{}, acts(send(1), vrrp.Acquire{}, vrrp.Announce{}), 500 * ms},

	{"unicast/startup", 100 * ms, vrrp.Startup{Source: self}, nil, 400 * ms},
	{"unicast/shutdown", 100 * ms, vrrp.Shutdown{}, acts(send(0, lower)), time.Second},
	{"unicast/received/lower", 100 * ms, heard(lower, 199), acts(send(200, lower), vrrp.Announce{}), 400 * ms},
	{"unicast/received/higher", 100 * ms, heard(lower, 201),
		acts(send(200, lower), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "198.51.100.1 has higher priority 201")), down},
	{"unicast/received/stranger", 100 * ms, heard(higher, 201),
		acts(vrrp.Discard{Src: higher, Reason: vrrp.ReasonUnknownPeer}), 400 * ms},
	{"unicast/standing/last-resort", 100 * ms, standing(vrrp.LastResort),
		acts(send(0, lower), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "stepped down: last resort")), 2 * time.Second},
	{"unicast/peers/gained", 100 * ms, vrrp.PeersChanged{Peers: []netip.Addr{lower, higher}}, acts(send(200, lower, higher)), 400 * ms},
	{"unicast/peers/same", 100 * ms, vrrp.PeersChanged{Peers: []netip.Addr{lower}}, nil, 400 * ms},
	{"unicast/peers/lost", 100 * ms, vrrp.PeersChanged{}, nil, 400 * ms},
	{"unicast/group", 100 * ms, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, 400 * ms}, // it is in none
	{"unicast/address-removed", 100 * ms, vrrp.AddressRemoved{}, acts(vrrp.Acquire{}, vrrp.Announce{}), 400 * ms},
	{"unicast/send-failed", 0, vrrp.SendFailed{Err: errBoom},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "advertisement not sent: boom")), down},
	{"unicast/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom},
		acts(send(0, lower), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "addresses not installed: boom")), 5 * time.Second},
	{"unicast/suspended", 100 * ms, vrrp.Suspended{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "woke from suspend")), down},
	{"unicast/fault", 100 * ms, vrrp.Fault{Reason: "no carrier"},
		acts(send(0, lower), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "no carrier")), none},
	{"unicast/timer", time.Second, vrrp.Timer{}, acts(send(200, lower), vrrp.Acquire{}, vrrp.Announce{}), 500 * ms},

	{"lingering/startup", 100 * ms, vrrp.Startup{Source: higher}, nil, 900 * ms},
	{"lingering/shutdown/again", 100 * ms, vrrp.Shutdown{}, nil, 900 * ms},
	{"lingering/received/lower", 100 * ms, heard(lower, 100), nil, 50 * ms},
	{"lingering/received/at-the-end", 980 * ms, heard(lower, 100), nil, 20 * ms},
	{"lingering/received/priority-zero", 100 * ms, heard(lower, 0), nil, 900 * ms},
	{"lingering/received/own-address", 100 * ms, heard(self, 100),
		acts(vrrp.Discard{Src: self, Reason: vrrp.ReasonOwnAddress}), 900 * ms},
	{"lingering/standing/last-resort", 100 * ms, standing(vrrp.LastResort),
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "shut down: last resort")), none},
	{"lingering/standing/out", 100 * ms, standing(vrrp.Out),
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "shut down: out")), none},
	{"lingering/standing/pending", 100 * ms, standing(vrrp.Pending), nil, 900 * ms},
	{"lingering/peers", 100 * ms, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, 900 * ms},
	{"lingering/group", 100 * ms, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, 900 * ms}, // it is in none
	{"lingering/address-removed", 100 * ms, vrrp.AddressRemoved{}, nil, 900 * ms},
	{"lingering/send-failed", 0, vrrp.SendFailed{Err: errBoom}, nil, time.Second},
	{"lingering/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "addresses not installed: boom")), none},
	{"lingering/suspended", 100 * ms, vrrp.Suspended{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "woke from suspend")), none},
	{"lingering/fault", 100 * ms, vrrp.Fault{Reason: "no carrier"},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "no carrier")), none},
	{"lingering/timer/early", 999 * ms, vrrp.Timer{}, nil, ms},
	{"lingering/timer", time.Second, vrrp.Timer{},
		acts(send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "shut down: nobody took over")), none},
	{"lingering/timer/woke-late", 10 * time.Second, vrrp.Timer{},
		acts(vrrp.Release{}, moved(vrrp.Active, vrrp.Initialize, "woke late: last advertisement left 10s ago")), none},

	{"ended/startup", 0, vrrp.Startup{Source: self}, nil, none},
	{"ended/shutdown", 0, vrrp.Shutdown{}, nil, none},
	{"ended/received", 0, heard(higher, 250), nil, none},
	{"ended/standing", 0, standing(vrrp.Out), nil, none},
	{"ended/peers", 0, vrrp.PeersChanged{Peers: []netip.Addr{higher}}, nil, none},
	{"ended/group", 0, vrrp.GroupChanged{Others: []vrrp.Member{{Unfit: "no carrier"}}}, nil, none}, // it is in none
	{"ended/address-removed", 0, vrrp.AddressRemoved{}, nil, none},
	{"ended/send-failed", 0, vrrp.SendFailed{Err: errBoom}, nil, none},
	{"ended/acquire-failed", 0, vrrp.AcquireFailed{Err: errBoom}, nil, none},
	{"ended/suspended", 0, vrrp.Suspended{}, nil, none},
	{"ended/fault", 0, vrrp.Fault{Reason: "no carrier"}, nil, none},
	{"ended/timer", 0, vrrp.Timer{}, nil, none},
}

func acts(a ...vrrp.Action) []vrrp.Action { return a }

func TestTransitionMatrix(t *testing.T) {
	for _, row := range matrix {
		t.Run(row.name, func(t *testing.T) {
			state, _, _ := strings.Cut(row.name, "/")
			b := given[state](t)
			got := b.step(row.after, row.event)
			if diff := diffActions(row.want, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if got := b.deadline(); got != row.deadline {
				t.Errorf("deadline in %s, want %s", got, row.deadline)
			}
		})
	}
}

func TestTransitionMatrixIsComplete(t *testing.T) {
	rows := make(map[string]bool)
	for _, row := range matrix {
		state, rest, _ := strings.Cut(row.name, "/")
		event, _, _ := strings.Cut(rest, "/")
		rows[fmt.Sprintf("%s/%s", state, event)] = true
	}
	for state := range given {
		for _, event := range events {
			if name := state + "/" + event; !rows[name] {
				t.Errorf("no row for %s", name)
			}
		}
	}
	if want := len(given) * len(events); len(rows) != want {
		t.Errorf("%d pairs of state and event in the matrix, want %d", len(rows), want)
	}
}
