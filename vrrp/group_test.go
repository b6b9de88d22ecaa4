package vrrp_test

import (
	"testing"
	"time"

	"ngha/vrrp"
)

func leads(c *vrrp.Config) { c.Grouped = vrrp.Group{Name: "edge", Member: "inside"} }
func follows(c *vrrp.Config) {
	c.Grouped = vrrp.Group{Name: "edge", Member: "outside", Follows: true}
}

func group(others ...vrrp.Member) vrrp.GroupChanged { return vrrp.GroupChanged{Others: others} }

// idle is another member that could become Active.
func idle() vrrp.Member { return vrrp.Member{Name: "other", State: vrrp.Backup} }

func with(change func(*vrrp.Member)) vrrp.Member {
	m := idle()
	change(&m)
	return m
}

// The leader takes over when its time has come and nobody objects; until then
// it waits without a deadline, and says why.
func TestLeaderWaitsForTheOthers(t *testing.T) {
	for name, test := range map[string]struct {
		other vrrp.Member
		held  string // "": it takes over
	}{
		"fit":             {idle(), ""},
		"unfit":           {with(func(m *vrrp.Member) { m.Unfit = "no carrier" }), "group edge: other: no carrier"},
		"hears a better":  {with(func(m *vrrp.Member) { m.Heard, m.HeardAt = vrrp.Peer{Addr: higher, Priority: 250}, epoch.Add(1) }), "group edge: other hears 198.51.100.3 with priority 250"},
		"heard it before": {with(func(m *vrrp.Member) { m.Heard, m.HeardAt = vrrp.Peer{Addr: higher, Priority: 250}, epoch }), ""},
		"is about to end": {with(func(m *vrrp.Member) { m.Ending, m.Unfit = true, "shut down" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, leads).backup()
			b.want(b.step(0, group(test.other)))
			got := b.step(down, vrrp.Timer{})
			if held := b.m.Status().Held; held != test.held {
				t.Errorf("held %q, want %q", held, test.held)
			}
			if test.held == "" {
				b.wantState(vrrp.Active)
				return
			}
			b.want(got)
			b.wantDeadline(-1)
			b.want(b.step(10*time.Second, group(idle())),
				send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "no advertisement for 13.2s"))
		})
	}
}

func TestLeaderHastensWhenAnotherHearsARelease(t *testing.T) {
	b := newBench(t, leads).backup()
	b.step(3*time.Second, heard(higher, 250))
	b.run(time.Second) // it has listened since it came up
	b.step(0, heard(higher, 250))
	released := with(func(m *vrrp.Member) { m.Released, m.By = b.now.Add(500*ms), lower })
	b.want(b.step(500*ms, group(released)))
	b.wantDeadline(skew)
	b.want(b.step(100*ms, group(released))) // again, which puts nothing off
	b.wantDeadline(skew - 100*ms)
	b.step(50*ms, heard(higher, 250)) // the Active is still there
	b.want(b.step(50*ms, group(released)))
	b.wantDeadline(down - 50*ms)
}

func TestActiveLeaderStepsDown(t *testing.T) {
	for name, test := range map[string]struct {
		other  vrrp.Member
		reason string // "": it does not
	}{
		"follows":             {with(func(m *vrrp.Member) { m.State = vrrp.Active }), ""},
		"is about to follow":  {idle(), ""},
		"left before":         {with(func(m *vrrp.Member) { m.Left = epoch }), ""},
		"left":                {with(func(m *vrrp.Member) { m.Left = epoch.Add(time.Hour) }), "group edge: other is no longer active"},
		"is unfit":            {with(func(m *vrrp.Member) { m.Unfit = "no carrier" }), "group edge: other: no carrier"},
		"hears a better":      {with(func(m *vrrp.Member) { m.Heard, m.HeardAt = vrrp.Peer{Addr: lower, Priority: 250}, epoch.Add(time.Hour) }), "group edge: other hears 198.51.100.1 with priority 250"},
		"left, but is ending": {with(func(m *vrrp.Member) { m.Left, m.Ending = epoch.Add(time.Hour), true }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, leads).active()
			got := b.step(100*ms, group(test.other))
			if test.reason == "" {
				b.want(got)
				return
			}
			b.want(got, send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, test.reason))
		})
	}
}

// A follower never takes over by itself, and never holds without its leader.
func TestFollowerFollows(t *testing.T) {
	b := newBench(t, follows).backup()
	b.want(b.run(10 * down))
	b.wantState(vrrp.Backup)
	reign := with(func(m *vrrp.Member) { m.State, m.Since, m.Cause = vrrp.Active, b.now, b.now.Add(-time.Second) })
	b.want(b.step(0, group(reign)),
		send(200), vrrp.Acquire{}, vrrp.Announce{}, moved(vrrp.Backup, vrrp.Active, "group edge: other is active"))
	b.want(b.step(100*ms, group(idle())),
		send(0), vrrp.Release{}, moved(vrrp.Active, vrrp.Backup, "group edge: other is no longer active"))
	b.want(b.step(100*ms, group(reign))) // of which this one has just been told that it is over
}

func TestFollowerThatMayNotFollow(t *testing.T) {
	reign := func(b *bench) vrrp.Member {
		return with(func(m *vrrp.Member) { m.State, m.Since, m.Cause = vrrp.Active, b.now, b.now.Add(-time.Second) })
	}
	for name, before := range map[string]func(*bench){
		"it has just come up":             func(b *bench) { b.run(down - ms) },
		"it is out":                       func(b *bench) { b.run(2 * down); b.step(0, standing(vrrp.Out)) },
		"its health is not known":         func(b *bench) { b.run(2 * down); b.step(0, standing(vrrp.Pending)) },
		"a better one spoke after it all": func(b *bench) { b.run(2 * down); b.step(0, heard(lower, 250)) },
		"it is to end":                    func(b *bench) { b.run(2 * down); b.step(0, vrrp.Shutdown{}) },
		"no carrier":                      func(b *bench) { b.run(2 * down); b.step(0, vrrp.Fault{Reason: "no carrier"}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, follows).backup()
			before(b)
			b.want(b.step(0, group(reign(b))))
		})
	}
}

// A tie is for the leaders to break, for one interval: on another network
// another node might have the higher address.
func TestFollowerLeavesATieToItsLeader(t *testing.T) {
	b := newBench(t, follows).backup()
	b.run(2 * down)
	b.step(0, group(with(func(m *vrrp.Member) { m.State, m.Since, m.Cause = vrrp.Active, b.now, b.now })))
	b.wantState(vrrp.Active)
	b.step(100*ms, heard(higher, 200))
	b.wantState(vrrp.Active)
	b.step(900*ms, heard(higher, 200))
	b.wantState(vrrp.Active)
	b.step(100*ms, heard(higher, 200))
	b.wantState(vrrp.Backup)

	b = newBench(t, follows).backup() // who is better is better
	b.run(2 * down)
	b.step(0, group(with(func(m *vrrp.Member) { m.State, m.Since, m.Cause = vrrp.Active, b.now, b.now })))
	b.step(100*ms, heard(lower, 201))
	b.wantState(vrrp.Backup)
}

// Where one network has nobody who serves it, and the group cannot help, the
// status says so.
func TestFollowerSaysThatItHearsNobody(t *testing.T) {
	b := newBench(t, follows).backup()
	b.run(2 * down)
	b.step(0, group(with(func(m *vrrp.Member) { m.Heard, m.HeardAt = vrrp.Peer{Addr: higher, Priority: 250}, b.now })))
	if got, want := b.m.Status().Held, "group edge: other hears 198.51.100.3 with priority 250, and nobody is heard here"; got != want {
		t.Errorf("held %q, want %q", got, want)
	}
	b.step(0, group(with(func(m *vrrp.Member) { m.State, m.Unfit = vrrp.Initialize, "no carrier" })))
	if got, want := b.m.Status().Held, "group edge: other: no carrier"; got != want {
		t.Errorf("held %q, want %q", got, want)
	}
	b.step(0, heard(higher, 250))
	if got := b.m.Status().Held; got != "" {
		t.Errorf("held %q, want nothing", got)
	}
}

func TestFollowerTriesItsAddressBeforeTheLeaderClaimsAnything(t *testing.T) {
	b := newBench(t, follows).backup()
	b.run(2 * down)
	b.step(0, group(with(func(m *vrrp.Member) { m.State, m.Since, m.Cause = vrrp.Active, b.now, b.now })))
	b.step(0, vrrp.AcquireFailed{Err: errBoom})
	if got := b.m.Member(); got.State != vrrp.Backup || got.Unfit != "addresses not installed: boom" {
		t.Fatalf("it tells %+v, want that its addresses could not be installed", got)
	}
	b.want(b.step(5*time.Second, vrrp.Timer{}), vrrp.Acquire{}, vrrp.Release{})
	b.step(0, vrrp.AcquireFailed{Err: errBoom})
	if b.m.Member().Unfit == "" {
		t.Error("it is fit after a trial that failed")
	}
	b.want(b.step(10*time.Second, vrrp.Timer{}), vrrp.Acquire{}, vrrp.Release{})
	if why := b.m.Member().Unfit; why != "" {
		t.Errorf("after a trial that held it is unfit: %s", why)
	}
}
