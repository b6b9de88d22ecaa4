package vrrp_test

import (
	"fmt"
	"net/netip"
	"time"

	"ngha/vrrp"
)

// A node hears nobody and takes over. Time is whatever the caller says it is.
func ExampleMachine() {
	m, err := vrrp.NewMachine(vrrp.Config{
		VRID:     51,
		Priority: 200,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	step := func(ev vrrp.Event) {
		for _, action := range m.Step(now, ev) {
			switch a := action.(type) {
			case vrrp.Send:
				fmt.Printf("send priority %d\n", a.Adv.Priority)
			case vrrp.Transition:
				fmt.Printf("%s -> %s: %s\n", a.From, a.To, a.Reason)
			default:
				fmt.Printf("%T\n", a)
			}
		}
	}
	step(vrrp.Startup{Source: netip.MustParseAddr("198.51.100.1")})
	fmt.Println("wait", m.Deadline().Sub(now))
	now = m.Deadline()
	step(vrrp.Timer{})
	// Output:
	// initialize -> backup: started
	// wait 3.21875s
	// send priority 200
	// vrrp.Acquire
	// vrrp.Announce
	// backup -> active: no advertisement for 3.2s
}
