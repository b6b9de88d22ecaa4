package router_test

import (
	"sync/atomic"
	"testing"
	"time"

	"ngha/vrrp"
	"ngha/vrrp/router"
	"ngha/vrrp/vrrptest"
)

// unread is a Port whose packets nobody reads unless the Router asks for them, as
// after the process was frozen.
type unread struct {
	*vrrptest.Port
	hear func()
}

func (u unread) Hear() { u.hear() }

func TestBackupHearsBeforeItTakesOver(t *testing.T) {
	succeedsTheDead(t, func(lan *vrrptest.LAN, spoken vrrp.Packet, lives bool) {
		if lives {
			lan.Inject(spoken)
		}
	})
}

// What nobody has read may be a flood, with the Active's word behind it, or without.
func TestBackupHearsAFloodToItsEnd(t *testing.T) {
	heard := 0
	succeedsTheDead(t, func(lan *vrrptest.LAN, spoken vrrp.Packet, lives bool) {
		if heard++; heard%20 == 0 && lives {
			lan.Inject(spoken)
			return
		}
		rubbish := spoken
		rubbish.Src, rubbish.TTL = addrC, 64
		for range 128 {
			lan.Inject(rubbish)
		}
	})
}

// What others want of it may come first where the loop was late: it hears before
// that, too.
func TestBackupHearsBeforeItHeedsOthers(t *testing.T) {
	for range 20 { // select takes what it likes of all that is due
		bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
			b := newNode(t, lan, addrB, vrrp.Config{Priority: 100}, router.Options{})
			busy := make(chan struct{})
			b.stuck.Store(&busy) // as it becomes Backup
			b.run(t, unread{b.port, func() { lan.Inject(packet(addrA, fits(200))) }})
			time.Sleep(4100 * time.Millisecond)
			b.SetStanding(vrrp.LastResort)
			b.stuck.Store(nil)
			close(busy)
			wantState(t, b, vrrp.Backup)
			if n := b.Status().Counters.BecameActive; n > 0 {
				t.Error("it became active although an Active had spoken")
			}
		})
	}
}

// succeedsTheDead wants a Backup to stay one while its Active lives, and to take
// over then. All that it hears of it is what hear, which it asks, puts on the LAN.
func succeedsTheDead(t *testing.T, hear func(lan *vrrptest.LAN, spoken vrrp.Packet, lives bool)) {
	t.Helper()
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		spoken := packet(addrA, fits(200))
		var lives atomic.Bool
		lives.Store(true)
		b.Attach(unread{lan.Port(addrB), func() { hear(lan, spoken, lives.Load()) }})
		time.Sleep(30 * time.Second)
		wantState(t, b, vrrp.Backup)
		if n := b.Status().Counters.BecameActive; n > 0 {
			t.Errorf("it became active %d times although an Active had spoken", n)
		}
		lives.Store(false)
		time.Sleep(5 * time.Second)
		wantState(t, b, vrrp.Active)
	})
}
