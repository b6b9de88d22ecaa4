package router_test

import (
	"sync/atomic"
	"testing"
	"time"

	"ngha/vrrp"
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
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		good := fits(200)
		spoken := vrrp.Packet{Src: addrA, Dst: vrrp.GroupIPv4, TTL: vrrp.TTL, Payload: good.AppendTo(nil, addrA, vrrp.GroupIPv4, vrrp.PseudoHeader)}
		var lives atomic.Bool
		lives.Store(true)
		b.Attach(unread{lan.Port(addrB), func() {
			if lives.Load() {
				lan.Inject(spoken)
			}
		}})
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

// What nobody has read may be a flood, with the Active's word behind it, or without.
func TestBackupHearsAFloodToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, lan *vrrptest.LAN) {
		b := start(t, lan, addrB, vrrp.Config{Priority: 100})
		good := fits(200)
		spoken := vrrp.Packet{Src: addrA, Dst: vrrp.GroupIPv4, TTL: vrrp.TTL, Payload: good.AppendTo(nil, addrA, vrrp.GroupIPv4, vrrp.PseudoHeader)}
		rubbish := spoken
		rubbish.Src, rubbish.TTL = addrC, 64
		var lives atomic.Bool
		lives.Store(true)
		heard := 0
		b.Attach(unread{lan.Port(addrB), func() {
			if heard++; heard%20 == 0 && lives.Load() {
				lan.Inject(spoken)
				return
			}
			for range 128 {
				lan.Inject(rubbish)
			}
		}})
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
