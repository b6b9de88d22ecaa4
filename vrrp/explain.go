package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Explain puts f into words: what its sender does, to be read behind the
// sender's address, and what would mend it.
func (c Config) Explain(f Finding) (what, cure string) {
	c = c.withDefaults()
	switch {
	case !f.Reason.Discards():
		return c.explainDoubt(f)
	case f.Reason >= ReasonUnsigned && f.Reason <= ReasonReplay:
		return c.explainSignature(f)
	}
	switch f.Reason {
	case ReasonVersion:
		return fmt.Sprintf("speaks version %d of VRRP, and this node version %d", orInt(int(f.Adv.Version), f.Value), c.Version),
			"give all nodes the same version; neither hears the other"
	case ReasonInterval:
		if f.Adv.Interval == 0 {
			break
		}
		return fmt.Sprintf("advertises every %s, and this node every %s, which version 2 does not allow", f.Adv.Interval, c.Interval),
			"give all nodes the same interval, or use version 3"
	case ReasonAuth:
		return fmt.Sprintf("sends %s, and this node %s", authWords(max(f.Adv.Auth, AuthType(f.Value))), authWords(c.Password.authType())),
			"give all nodes the same password (auth_type PASS in keepalived), or none of them one"
	case ReasonPassword:
		return "sends another password", "give all nodes the same one; only its first 8 bytes count in keepalived"
	case ReasonChecksum:
		return "sends a checksum that is wrong in every way that is in use",
			"look for what damages packets on the way, or for a very old keepalived (before 1.3.7) with unicast peers"
	case ReasonOwnAddress:
		return "is this node's own address, and the packet comes from elsewhere", "look for a second host with this address, or for a loop in the network"
	case ReasonUnknownPeer:
		return "is none of this node's peers", "add it to peers, or find out who uses the VRID from there"
	case ReasonTTL:
		return fmt.Sprintf("sends from behind a router, or not as VRRP has to: with TTL %d instead of 255", f.Value), c.cureTTL()
	case ReasonTrailer:
		return c.explainTrailer(f)
	}
	return "sends what is no VRRP (" + f.Reason.String() + ")", "find out what runs there"
}

func (c Config) cureTTL() string {
	if c.Unicast {
		return "have it send with TTL 255, as keepalived's unicast_ttl 255 does; if it is a peer behind a router, set allow_routed: true"
	}
	return "find out who sends it: multicast crosses no router, and every implementation sends 255"
}

func (c Config) explainTrailer(f Finding) (what, cure string) {
	switch {
	case f.Value != trailerLen:
		return fmt.Sprintf("sends %d bytes more than its message has", f.Value), "find out what runs there"
	case c.Auth == nil:
		return "signs what it sends, and this node has no keys", "give this node the same keys (auth), or take them from the others; keepalived: auth_hmac"
	}
	return "signs in a way that this node does not know", "use keepalived from 2.4.2 on, or ngha, on all nodes"
}

// explainSignature explains what an Authenticator refuses.
func (c Config) explainSignature(f Finding) (what, cure string) {
	switch f.Reason {
	case ReasonUnsigned:
		return "does not sign what it sends", "give it the keys too; until all nodes sign, use auth mode: permissive"
	case ReasonStale:
		return fmt.Sprintf("sends what was signed at a time %s: its clock is wrong, or somebody repeats old packets", clockWords(f.Value)),
			"set the clocks of all nodes by NTP; auth replay: monotonic does without, where that cannot be"
	case ReasonKey:
		return fmt.Sprintf("signs with key %d, which this node does not have", f.Value), "give this node the key too, before any other signs with it"
	case ReasonSignature:
		return "sends a signature that does not fit: it has another key of the same number, or somebody forges it", "give all nodes the same keys"
	}
	return "sends again what it, or something later, was sent before: somebody repeats packets, or its clock went back",
		"if it is a node that was restarted, set its clock by NTP; else find out who sends it"
}

// explainDoubt explains what was obeyed all the same.
func (c Config) explainDoubt(f Finding) (what, cure string) {
	switch f.Reason {
	case ReasonAddresses:
		return fmt.Sprintf("has the virtual addresses %s, and this node %s", list(f.Adv.Addrs), list(c.advertised())),
			"give all nodes the same addresses; keepalived before 2.3.3 does not hear this node, and both are active"
	case ReasonForeign:
		return fmt.Sprintf("uses VRID %d for other virtual addresses altogether, %s", c.VRID, list(f.Adv.Addrs)),
			"give each group of nodes on a network a vrid of its own; only one of the two groups is served now"
	case ReasonOwner:
		return "advertises priority 255, as the owner of the virtual addresses, and is obeyed", "give it 254 at most, unless it is a router that owns them"
	case ReasonOtherInterval:
		return fmt.Sprintf("advertises every %s, which this node goes by, and this node every %s", f.Adv.Interval, c.Interval),
			"give all nodes the same interval"
	case ReasonLongInterval:
		return fmt.Sprintf("advertises every %s, which this node goes by: should it fall silent, nobody takes over for %s", f.Adv.Interval,
				short(ActiveDownInterval(c.Version, c.Priority, f.Adv.Interval))),
			"give all nodes the same, short interval"
	case ReasonOtherChecksum:
		return fmt.Sprintf("sends the checksum %s, and this node %s", f.Adv.Checksum, c.Checksum),
			fmt.Sprintf("set checksum: %s, unless it hears both kinds as this node does; keepalived hears its own alone", f.Adv.Checksum)
	default: // ReasonClock
		return fmt.Sprintf("signs at a time %s, and will not be heard from %s on", clockWords(f.Value), c.Auth.Window),
			"set the clocks of all nodes by NTP"
	}
}

// list names a few addresses, in ascending order, since the order means nothing.
func list(addrs []netip.Addr) string {
	const most = 8
	addrs = slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
	var words []string
	for _, a := range addrs[:min(len(addrs), most)] {
		words = append(words, a.String())
	}
	if n := len(addrs) - most; n > 0 {
		words = append(words, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(words, ", ")
}

func authWords(t AuthType) string {
	switch t {
	case AuthNone:
		return "no password"
	case AuthPassword:
		return "a password"
	}
	return fmt.Sprintf("authentication of type %d", t)
}

// clockWords says when something was signed that was signed so many seconds ago.
func clockWords(seconds int) string {
	d := time.Duration(seconds) * time.Second
	if d < 0 {
		return fmt.Sprintf("%s ahead of this node's clock", -d)
	}
	return fmt.Sprintf("%s behind this node's clock", d)
}

func orInt(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}
