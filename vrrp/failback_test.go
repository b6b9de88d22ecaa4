package vrrp_test

import (
	"testing"
	"time"

	"ngha/vrrp"
)

func TestFailbackAfterCountsFromTheFirstLowerAdvertisement(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Failback.After = 5 * time.Second }).backup()
	for range 5 {
		b.want(b.step(time.Second, heard(lower, 100)))
	}
	b.wantDeadline(time.Second)
	// The other one serves until it hears of it.
	b.want(b.step(time.Second, vrrp.Timer{}), vrrp.Acquire{}, send(200), vrrp.Announce{},
		moved(vrrp.Backup, vrrp.Active, "failback after 5s: 198.51.100.1 has lower priority 100"))
}

func TestFailbackAfterIsCancelled(t *testing.T) {
	for name, cancel := range map[string][]vrrp.Event{
		"by a higher Active":         {heard(higher, 250)},
		"by an equal Active":         {heard(higher, 200)},
		"by illness":                 {standing(vrrp.LastResort), standing(vrrp.Healthy)},
		"by health not being known":  {standing(vrrp.Pending), standing(vrrp.Healthy)},
		"by leaving Backup":          {vrrp.Fault{Reason: "no carrier"}, vrrp.Startup{Source: self}},
		"by the end of that Active":  {heard(lower, 0)},
		"by a suspend of the system": {vrrp.Suspended{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *vrrp.Config) { c.Failback.After = 5 * time.Second }).backup()
			b.step(0, heard(lower, 100))
			for range 4 {
				b.step(time.Second, heard(lower, 100))
			}
			for _, ev := range cancel {
				b.step(0, ev)
			}
			// It counts anew from here.
			for range 5 {
				b.want(b.step(0, heard(lower, 100)))
				b.now = b.now.Add(time.Second)
			}
			b.wantState(vrrp.Backup)
			b.step(0, vrrp.Timer{})
			b.wantState(vrrp.Active)
		})
	}
}

func TestFailbackAfterDoesNotDelayATakeoverFromSilence(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Failback.After = time.Hour }).backup()
	b.step(0, heard(lower, 100))
	b.run(down)
	b.wantState(vrrp.Active)
}
