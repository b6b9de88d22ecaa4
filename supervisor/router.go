package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ngha/supervisor/config"
	"ngha/supervisor/hook"
	"ngha/supervisor/status"
	"ngha/vrrp"
	"ngha/vrrp/lan"
	"ngha/vrrp/router"
)

// virtualRouter is a router.Router with what feeds it: the watcher of its
// interface and the names of its peers.
type virtualRouter struct {
	config  config.VirtualRouter
	network *lan.Network
	router  *router.Router
	peers   *peerNames // nil: multicast
	keys    *keyring   // nil: no keys, or not from a file
	log     *slog.Logger
	iface   atomic.Pointer[string] // the interface in use; nil: none
	steady  func(time.Time)        // told from when on the interface is to be relied on
}

func (s *Supervisor) newVirtualRouter(c config.VirtualRouter) (*virtualRouter, error) {
	v := &virtualRouter{config: c, network: s.network, log: s.log.With("vrid", c.VRRP.VRID)}
	v.steady = func(from time.Time) { s.standings.relyOn(v, from) }
	o := &router.Options{
		Logger:       v.log,
		Keys:         c.Keys,
		OnTransition: func(t vrrp.Transition) { s.hooks.Set(hookEvent(v, t.To, t.Reason)) },
		OnContradiction: func() {
			s.hooks.Again(c.Name) // the loser's own hooks may have undone ours
		},
	}
	if len(c.Peers) > 0 {
		family := "ip4"
		if c.VRRP.Is6() {
			family = "ip6"
		}
		v.peers = newPeerNames(c.Peers, family, func(p []netip.Addr) { v.router.SetPeers(p) }, v.log)
		o.OnStranger = func(netip.Addr) { v.peers.again() }
	}
	if c.KeysFile != "" {
		v.keys = newKeyring(c.KeysFile, c.Keys, func(k []vrrp.Key) error { return v.router.SetKeys(k) }, v.log)
	}
	c.VRRP.Unicast = v.peers != nil
	var err error
	v.router, err = router.New(c.VRRP, o)
	return v, err
}

// run runs the virtual router until ctx ends and its reign with it.
func (v *virtualRouter) run(ctx context.Context) error {
	feeding, stop := context.WithCancel(context.WithoutCancel(ctx))
	var feeders sync.WaitGroup
	defer feeders.Wait()
	defer stop() // after Run: an orderly end still needs its interface
	switch {
	case v.peers == nil:
	case v.peers.constant():
		v.peers.run(feeding) // ends at once: they are known before the first packet comes
	default:
		feeders.Go(func() { v.peers.run(feeding) })
	}
	if v.keys != nil {
		feeders.Go(func() { v.keys.run(feeding) })
	}
	defer v.watch()()
	if v.config.VRRP.Password != (vrrp.Password{}) {
		v.log.Warn("everybody on the network can read the password: it keeps out mistakes and no attacker")
	}
	return v.router.Run(ctx)
}

// watch tells the router of its interface until stop is called.
func (v *virtualRouter) watch() (stop func()) {
	spec := lan.Spec{
		Interface:  v.config.Interface,
		VRID:       v.config.VRRP.VRID,
		VirtualMAC: v.config.VirtualMAC,
		Addrs:      v.config.VRRP.Addrs,
		Interval:   v.config.VRRP.Interval,
		Multicast:  v.peers == nil,
		LinkLocal:  v.config.LinkLocalPeers(),
		Logger:     v.log,
	}
	stop, err := v.network.Watch(spec, lan.Sink{
		Up: func(p *lan.Port) {
			name := p.Name()
			v.iface.Store(&name)
			v.log.Info("interface up", "iface", name, "source", p.Source())
			v.router.Attach(p)
		},
		Down: func(reason error) {
			v.iface.Store(nil)
			v.log.Warn("interface not usable", "err", reason)
			v.router.Detach(reason)
		},
		Steady:         v.steady,
		AddressRemoved: v.router.AddressRemoved,
		Suspended:      v.router.Suspended,
	})
	if err != nil { // no interface can mend it
		v.log.Error("interface not watched", "err", err)
		v.router.Detach(err)
		return func() {}
	}
	return stop
}

// warnings are what a person should know of v.
func (v *virtualRouter) warnings() []string {
	var list []string
	if v.peers != nil {
		list = append(list, v.peers.Warnings()...)
	}
	if v.keys != nil {
		list = append(list, v.keys.Warnings()...)
	}
	now := v.router.Status()
	if now.Held != "" {
		list = append(list, fmt.Sprintf("%s is held back: %s", v.config.Name, now.Held))
	}
	for _, a := range alarms(now.Alarms, time.Now()) {
		sender := "others"
		if a.Sender.IsValid() {
			sender = a.Sender.String()
		}
		list = append(list, fmt.Sprintf("%s: %s %s: %s", v.config.Name, sender, a.What, a.Cure))
	}
	return list
}

// alarms are those that are not over.
func alarms(all []router.Alarm, now time.Time) []status.Alarm {
	var list []status.Alarm
	for _, a := range all {
		if now.After(a.Until) {
			continue
		}
		list = append(list, status.Alarm{
			Name: a.Reason.String(), Sender: a.Src, Discarded: a.Reason.Discards(),
			What: a.What, Cure: a.Cure, Since: a.Since, Count: a.Count,
		})
	}
	return list
}

func (v *virtualRouter) interfaceName() string {
	if name := v.iface.Load(); name != nil {
		return *name
	}
	return ""
}

// status is the virtual router's part of the node's status.
func (v *virtualRouter) status() status.VirtualRouter {
	r := v.router.Status()
	s := status.VirtualRouter{
		Name:      v.config.Name,
		VRID:      v.config.VRRP.VRID,
		Group:     v.config.Group,
		Keys:      ids(v.config.Keys),
		Interface: v.interfaceName(),
		State:     r.State.String(),
		Priority:  r.Priority,
		Since:     r.Since,
		Reason:    r.Reason,
		Addresses: v.config.VRRP.Addrs,
		Alarms:    alarms(r.Alarms, time.Now()),
		Counters:  counters(r),
	}
	if v.keys != nil {
		s.Keys = v.keys.IDs()
	}
	if r.Active.Addr.IsValid() {
		s.Active = &status.Peer{Address: r.Active.Addr, Priority: r.Active.Priority}
	}
	return s
}

func counters(r router.Status) status.Counters {
	c := status.Counters{
		AdvertisementsSent:     r.LAN.Sent,
		AdvertisementsReceived: r.Counters.Received,
		ChecksumsPseudoHeader:  r.Counters.PseudoHeader,
		ChecksumsRFC9568:       r.Counters.MessageOnly,
		PriorityZeroSent:       r.LAN.PriorityZeroSent,
		PriorityZeroReceived:   r.Counters.PriorityZeroReceived,
		BecameActive:           r.Counters.BecameActive,
		LeftActive:             r.Counters.LeftActive,
		Contradictions:         r.Counters.Contradictions,
		Announcements:          r.LAN.Announcements,
		SendErrors:             r.LAN.SendErrors,
		AddressErrors:          r.LAN.AddressErrors,
		PacketsLost:            r.LAN.Lost,
		Lateness: status.Lateness{
			Buckets: r.LAN.Lateness.Buckets[:],
			Max:     r.LAN.Lateness.Max,
			Sum:     r.LAN.Lateness.Sum,
		},
	}
	for reason, n := range r.LAN.Discarded {
		if n > 0 {
			if c.Discarded == nil {
				c.Discarded = make(map[string]uint64)
			}
			c.Discarded[vrrp.Reason(reason).String()] = n
		}
	}
	return c
}

// hookEvent is what a hook is told of v in state to.
func hookEvent(v *virtualRouter, to vrrp.State, reason string) hook.Event {
	state := to.String()
	if to == vrrp.Initialize {
		state = "stopped"
	}
	return hook.Event{
		State:     state,
		Name:      v.config.Name,
		VRID:      v.config.VRRP.VRID,
		Interface: v.interfaceName(),
		Addresses: v.config.VRRP.Addrs,
		Priority:  v.config.VRRP.Priority,
		Reason:    reason,
	}
}
