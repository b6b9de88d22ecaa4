package vrrp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ngha/vrrp"
)

// The node under test is self; a peer's address is lower or higher.
var (
	lower  = netip.MustParseAddr("198.51.100.1")
	self   = netip.MustParseAddr("198.51.100.2")
	higher = netip.MustParseAddr("198.51.100.3")
	vip    = netip.MustParsePrefix("198.51.100.100/24")

	cmpAddr = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
)

const (
	ms = time.Millisecond
	// skew and down are SkewTime and ActiveDownInterval at priority 200 and
	// interval 1s.
	skew = (256 - 200) * time.Second / 256
	down = 3*time.Second + skew
	// The same at last resort.
	skew1 = (256 - 1) * time.Second / 256
	down1 = 3*time.Second + skew1
)

// epoch is when every test begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// bench steps one machine through time.
type bench struct {
	t   *testing.T
	m   *vrrp.Machine
	now time.Time
}

// config is what a bench uses unless changed: V3, priority 200, 1s, failback
// now.
func config() vrrp.Config {
	return vrrp.Config{VRID: 7, Priority: 200, Addrs: []netip.Prefix{vip}}
}

// newBench returns a bench with a machine of config changed by change.
func newBench(t *testing.T, change ...func(*vrrp.Config)) *bench {
	t.Helper()
	c := config()
	for _, f := range change {
		f(&c)
	}
	m, err := vrrp.NewMachine(c)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, m: m, now: epoch}
}

// step lets d pass without a look at the timer, then steps ev.
func (b *bench) step(d time.Duration, ev vrrp.Event) []vrrp.Action {
	b.now = b.now.Add(d)
	return b.m.Step(b.now, ev)
}

// run lets d pass and steps Timer at every deadline within. It returns all
// actions.
func (b *bench) run(d time.Duration) []vrrp.Action {
	var all []vrrp.Action
	end := b.now.Add(d)
	for {
		next := b.m.Deadline()
		if next.IsZero() || next.After(end) {
			b.now = end
			return all
		}
		b.now = next
		all = append(all, b.m.Step(next, vrrp.Timer{})...)
		if again := b.m.Deadline(); !again.IsZero() && !again.After(next) {
			b.t.Fatalf("deadline %s after Timer at %s: it would spin", again, next)
		}
	}
}

// deadline returns the machine's deadline from now on; -1 for none.
func (b *bench) deadline() time.Duration {
	d := b.m.Deadline()
	if d.IsZero() {
		return -1
	}
	return d.Sub(b.now)
}

// want fails the test when actions differ.
func (b *bench) want(got []vrrp.Action, want ...vrrp.Action) {
	b.t.Helper()
	if diff := diffActions(want, got); diff != "" {
		b.t.Fatalf("actions (-want +got):\n%s", diff)
	}
}

// wantState fails the test when the machine is in another state.
func (b *bench) wantState(want vrrp.State) {
	b.t.Helper()
	if got := b.m.Status(); got.State != want {
		b.t.Fatalf("state %s (%s), want %s", got.State, got.Reason, want)
	}
}

// wantDeadline fails the test when the deadline is not d from now.
func (b *bench) wantDeadline(want time.Duration) {
	b.t.Helper()
	if got := b.deadline(); got != want {
		b.t.Fatalf("deadline in %s, want %s", got, want)
	}
}

func diffActions(want, got []vrrp.Action) string {
	return cmp.Diff(want, got, cmpAddr, cmpopts.EquateEmpty())
}

// backup brings a fresh machine to Backup, active on to Active.
func (b *bench) backup() *bench {
	b.t.Helper()
	b.step(0, vrrp.Startup{Source: self})
	b.wantState(vrrp.Backup)
	return b
}

func (b *bench) active() *bench {
	b.t.Helper()
	b.backup()
	for b.m.Status().State == vrrp.Backup {
		d := b.deadline()
		if d < 0 {
			b.t.Fatal("Backup without a deadline")
		}
		b.step(d, vrrp.Timer{})
	}
	b.wantState(vrrp.Active)
	return b
}

// advert is an advertisement of a peer, as it fits config.
func advert(priority uint8) vrrp.Advertisement {
	return vrrp.Advertisement{
		Version: vrrp.V3, VRID: 7, Priority: priority, Interval: time.Second,
		Addrs: []netip.Addr{vip.Addr()},
	}
}

func heard(src netip.Addr, priority uint8) vrrp.Received {
	return vrrp.Received{Src: src, Adv: advert(priority)}
}

func standing(s vrrp.Standing) vrrp.StandingChanged { return vrrp.StandingChanged{Standing: s} }

// send is what the machine says at a priority, to all or to peers.
func send(priority uint8, to ...netip.Addr) vrrp.Send {
	return vrrp.Send{Adv: advert(priority), To: to}
}

func moved(from, to vrrp.State, reason string) vrrp.Transition {
	return vrrp.Transition{From: from, To: to, Reason: reason}
}
