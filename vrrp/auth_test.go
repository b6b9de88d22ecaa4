package vrrp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

// key returns a key with a secret of its own.
func key(id uint8) vrrp.Key { return vrrp.Key{ID: id, Secret: bytes.Repeat([]byte{id}, 32)} }

func authenticator(t *testing.T, c vrrp.Auth, keys ...vrrp.Key) *vrrp.Authenticator {
	t.Helper()
	if c.Window == 0 {
		c.Window = 5 * time.Second
	}
	if keys == nil {
		keys = []vrrp.Key{key(1)}
	}
	a, err := vrrp.NewAuthenticator(c, keys)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// noon is when messages are signed.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func signed(a *vrrp.Authenticator, at time.Time) vrrp.Packet {
	return packetOf(a.Sign(slices.Clone(resum(messageV3)), src, vrrp.GroupIPv4, at))
}

// reasonOf returns why a discards p; ok for nothing.
func reasonOf(a *vrrp.Authenticator, p vrrp.Packet, at time.Time) string {
	_, _, err := a.Parse(p, at)
	if d, ok := errors.AsType[*vrrp.DiscardError](err); ok {
		return d.Reason.String()
	}
	return fmt.Sprint(err)
}

const ok = "<nil>"

func wantReason(t *testing.T, a *vrrp.Authenticator, p vrrp.Packet, at time.Time, want string) {
	t.Helper()
	if got := reasonOf(a, p, at); got != want {
		t.Errorf("at %s: %s, want %s", at.Format("15:04:05.000"), got, want)
	}
}

// The wire image that draft-cassen-vrrp-auth-hmac gives for checking: key 00 01
// ... 1f, from 198.51.100.10, 192.0.2.100, at half a second past 0x68000000.
func TestSignatureIsThePublishedOne(t *testing.T) {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	from := netip.MustParseAddr("198.51.100.10")
	adv := vrrp.Advertisement{Version: vrrp.V3, VRID: 51, Priority: 200, Interval: time.Second, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.100")}}
	want := "3133c80100644402c0000264" + "010100006800000080000000" + "1b84bc4e8e43892dc6d98448f8ee2265"
	for _, sum := range []vrrp.ChecksumMode{vrrp.MessageOnly, vrrp.PseudoHeader} {
		a := authenticator(t, vrrp.Auth{}, vrrp.Key{ID: 1, Secret: secret})
		got := hex.EncodeToString(a.Sign(adv.AppendTo(nil, from, vrrp.GroupIPv4, sum), from, vrrp.GroupIPv4, time.Unix(0x68000000, 5e8)))
		if sum == vrrp.PseudoHeader { // the signature does not cover the checksum
			got = got[:12] + want[12:16] + got[16:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("checksum %s (-want +got):\n%s", sum, diff)
		}
	}
}

func TestWhatIsSignedIsAccepted(t *testing.T) {
	for name, message := range map[string][]byte{"v2": resum(messageV2), "v3": resum(messageV3)} {
		a, b := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
		want, err := vrrp.Parse(packetOf(message))
		if err != nil {
			t.Fatal(err)
		}
		got, skew, err := b.Parse(packetOf(a.Sign(slices.Clone(message), src, vrrp.GroupIPv4, noon)), noon)
		if diff := cmp.Diff(want, got, cmpAddr); diff != "" || err != nil || skew != 0 {
			t.Errorf("%s: skew %s, %v (-want +got):\n%s", name, skew, err, diff)
		}
	}
}

// Whatever octet is changed, the packet is refused, the checksum apart: it is
// checked by itself.
func TestNothingCanBeChanged(t *testing.T) {
	p := signed(authenticator(t, vrrp.Auth{}), noon)
	for i := range p.Payload {
		forged := p
		forged.Payload = slices.Clone(p.Payload)
		forged.Payload[i] ^= 1
		if i < len(messageV3) && i != 6 && i != 7 {
			copy(forged.Payload, resum(forged.Payload[:len(messageV3)]))
		}
		if got := reasonOf(authenticator(t, vrrp.Auth{}), forged, noon); got == ok {
			t.Errorf("octet %d was changed and not missed", i)
		}
	}
	forged := p
	forged.Src = netip.MustParseAddr("198.51.100.7")
	wantReason(t, authenticator(t, vrrp.Auth{}), forged, noon, "signature")
}

func TestRefusalsHaveNames(t *testing.T) {
	good := signed(authenticator(t, vrrp.Auth{}), noon)
	change := func(at int, to byte) vrrp.Packet {
		p := good
		p.Payload = edit(p.Payload, len(messageV3)+at, to)
		return p
	}
	for name, test := range map[string]struct {
		p    vrrp.Packet
		want string
	}{
		"another type":        {change(0, 2), "unexpected trailer"},
		"reserved octets":     {change(2, 1), "unexpected trailer"},
		"another key":         {change(1, 9), "unknown key"},
		"too old":             {change(7, good.Payload[len(messageV3)+7]-6), "stale"},
		"from the future":     {change(7, good.Payload[len(messageV3)+7]+6), "stale"},
		"time moved":          {change(7, good.Payload[len(messageV3)+7]-1), "signature"},
		"signature":           {change(12, good.Payload[len(messageV3)+12]+1), "signature"},
		"no trailer":          {packetOf(resum(messageV3)), "unsigned"},
		"an octet too many":   {packetOf(append(slices.Clone(good.Payload), 0)), "unexpected trailer"},
		"an octet too few":    {packetOf(good.Payload[:len(good.Payload)-1]), "unexpected trailer"},
		"TTL comes first":     {vrrp.Packet{Src: src, Dst: vrrp.GroupIPv4, TTL: 1, Payload: good.Payload}, "ttl"},
		"nothing":             {packetOf(nil), "length"},
		"nothing but trailer": {packetOf(make([]byte, 28)), "version"},
	} {
		t.Run(name, func(t *testing.T) { wantReason(t, authenticator(t, vrrp.Auth{}), test.p, noon, test.want) })
	}
}

func TestModesAreThreeHitlessSteps(t *testing.T) {
	modes := []vrrp.AuthMode{vrrp.AuthReceiveOnly, vrrp.AuthPermissive, vrrp.AuthEnforce}
	for i, from := range modes {
		for j, to := range modes {
			want := ok
			if from == vrrp.AuthReceiveOnly && to == vrrp.AuthEnforce {
				want = "unsigned" // two steps apart
			}
			a, b := authenticator(t, vrrp.Auth{Mode: from}), authenticator(t, vrrp.Auth{Mode: to})
			if got := reasonOf(b, signed(a, noon), noon); got != want {
				t.Errorf("%s to %s (steps %d and %d): %s, want %s", from, to, i, j, got, want)
			}
		}
	}
	for _, mode := range modes { // a signature that is there is checked in each
		forger := authenticator(t, vrrp.Auth{}, vrrp.Key{ID: 1, Secret: make([]byte, 32)})
		wantReason(t, authenticator(t, vrrp.Auth{Mode: mode}), signed(forger, noon), noon, "signature")
	}
}

func TestRepetitionIsRefused(t *testing.T) {
	for _, monotonic := range []bool{false, true} {
		a, b := authenticator(t, vrrp.Auth{Monotonic: monotonic}), authenticator(t, vrrp.Auth{Monotonic: monotonic})
		first, second, third := signed(a, noon), signed(a, noon), signed(a, noon.Add(time.Second)) // the clock may stand still
		wantReason(t, b, first, noon, ok)
		wantReason(t, b, first, noon, "replay")
		wantReason(t, b, third, noon.Add(time.Second), ok)
		wantReason(t, b, second, noon.Add(time.Second), "replay")
		wantReason(t, b, third, noon.Add(3*time.Second), "replay")
		if !monotonic {
			wantReason(t, b, third, noon.Add(7*time.Second), "stale")
		}
	}
}

// What is forged must not keep out what is true.
func TestForgeryDoesNotMoveTheMark(t *testing.T) {
	a, b := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
	forged := signed(a, noon.Add(4*time.Second))
	forged.Payload[len(forged.Payload)-1] ^= 1
	wantReason(t, b, forged, noon, "signature")
	wantReason(t, b, signed(authenticator(t, vrrp.Auth{}), noon), noon, ok)
}

func TestWindow(t *testing.T) {
	for _, test := range []struct {
		behind time.Duration
		want   string
		skew   bool
	}{
		{0, ok, false}, {2 * time.Second, ok, false}, {-2 * time.Second, ok, false},
		{3 * time.Second, ok, true}, {-3 * time.Second, ok, true}, {5 * time.Second, ok, true}, {-5 * time.Second, ok, true},
		{6 * time.Second, "stale", false}, {-6 * time.Second, "stale", false},
	} {
		a, b := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
		p := signed(a, noon.Add(-test.behind))
		_, skew, _ := b.Parse(p, noon)
		if (skew != 0) != test.skew || skew != 0 && skew != test.behind {
			t.Errorf("%s behind: a skew of %s", test.behind, skew)
		}
		wantReason(t, authenticator(t, vrrp.Auth{}), p, noon, test.want)
		wantReason(t, authenticator(t, vrrp.Auth{Monotonic: true}), p, noon, ok)
	}
}

// A clock that was wrong by a day and is put right strands nobody.
func TestClockIsPutBack(t *testing.T) {
	a, b := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
	day := 24 * time.Hour
	wantReason(t, b, signed(a, noon.Add(day)), noon.Add(day), ok) // both are wrong
	wantReason(t, b, signed(a, noon), noon, ok)
	wantReason(t, b, signed(a, noon.Add(time.Second)), noon.Add(time.Second), ok)

	// By less than the window: the numbers go on growing.
	wantReason(t, b, signed(a, noon.Add(-2*time.Second)), noon.Add(-2*time.Second), ok)

	// Where the clocks are not trusted, they go on growing in any case.
	a, b = authenticator(t, vrrp.Auth{Monotonic: true}), authenticator(t, vrrp.Auth{Monotonic: true})
	wantReason(t, b, signed(a, noon.Add(day)), noon, ok)
	wantReason(t, b, signed(a, noon), noon, ok)
	wantReason(t, b, signed(authenticator(t, vrrp.Auth{Monotonic: true}), noon), noon, "replay") // a restart with a clock behind
}

// Sequence numbers overflow in 2106.
func TestSequenceOverflows(t *testing.T) {
	for _, monotonic := range []bool{false, true} {
		a, b := authenticator(t, vrrp.Auth{Monotonic: monotonic}), authenticator(t, vrrp.Auth{Monotonic: monotonic})
		last := time.Unix(1<<32-1, 999999999)
		for _, at := range []time.Time{last, last, last.Add(1), last.Add(time.Second)} {
			wantReason(t, b, signed(a, at), at, ok)
		}
	}
}

// Each node is brought to a new key by three changes of its file, in any order
// among the nodes, and all hear each other all the time.
func TestKeysChangeWithoutAGap(t *testing.T) {
	steps := [][]vrrp.Key{{key(1)}, {key(1), key(2)}, {key(2), key(1)}, {key(2)}}
	nodes := []*vrrp.Authenticator{authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})}
	at := noon
	for _, keys := range steps {
		for i := range nodes {
			if err := nodes[i].SetKeys(keys); err != nil {
				t.Fatal(err)
			}
			for j := range nodes {
				at = at.Add(time.Second)
				wantReason(t, nodes[1-j], signed(nodes[j], at), at, ok)
			}
		}
	}
	if old := authenticator(t, vrrp.Auth{}); reasonOf(nodes[0], signed(old, at), at) != "unknown key" {
		t.Error("the old key still counts")
	}
}

func TestMarksOutliveKeys(t *testing.T) {
	a, b := authenticator(t, vrrp.Auth{}), authenticator(t, vrrp.Auth{})
	p := signed(a, noon)
	wantReason(t, b, p, noon, ok)
	if err := b.SetKeys([]vrrp.Key{key(2), key(1)}); err != nil {
		t.Fatal(err)
	}
	wantReason(t, b, p, noon, "replay")
}

// Marks are kept for a limited number of senders, those heard last.
func TestMarksAreBounded(t *testing.T) {
	b := authenticator(t, vrrp.Auth{})
	from := func(i int) vrrp.Packet {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		a := authenticator(t, vrrp.Auth{})
		return vrrp.Packet{Src: addr, Dst: vrrp.GroupIPv4, TTL: 255, Payload: a.Sign(slices.Clone(resum(messageV3)), addr, vrrp.GroupIPv4, noon)}
	}
	for i := range 65 {
		wantReason(t, b, from(i), noon, ok)
	}
	for i := 1; i < 65; i++ {
		wantReason(t, b, from(i), noon, "replay")
	}
	wantReason(t, b, from(0), noon, ok) // it has been forgotten, and one has to be
}

func TestNewAuthenticatorNamesWhatIsWrong(t *testing.T) {
	for want, test := range map[string]struct {
		auth vrrp.Auth
		keys []vrrp.Key
	}{
		"no key":                      {},
		"key 0: ids are 1-255":        {keys: []vrrp.Key{key(0)}},
		"key 3 is there twice":        {keys: []vrrp.Key{key(3), key(3)}},
		"key 3 has 31 bytes":          {keys: []vrrp.Key{{ID: 3, Secret: make([]byte, 31)}}},
		"key 3 has 65 bytes":          {keys: []vrrp.Key{{ID: 3, Secret: make([]byte, 65)}}},
		"auth mode 3: must be 0-2":    {auth: vrrp.Auth{Mode: 3}},
		"auth window 0s: must be 1s":  {keys: []vrrp.Key{key(1)}},
		"auth window 5m1s: must be":   {auth: vrrp.Auth{Window: 301 * time.Second}},
		"auth window 1.5s: must be 1": {auth: vrrp.Auth{Window: 1500 * time.Millisecond}},
	} {
		if _, err := vrrp.NewAuthenticator(test.auth, test.keys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewAuthenticator: %v, want %q in it", err, want)
		}
	}
}

func TestDefaultWindow(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 5 * time.Second,
		1900 * ms:             5 * time.Second,
		2 * time.Second:       6 * time.Second,
		40 * time.Second:      120 * time.Second,
		255 * time.Second:     300 * time.Second,
	} {
		if got := vrrp.DefaultWindow(interval); got != want {
			t.Errorf("of %s: %s, want %s", interval, got, want)
		}
	}
}

// However they are printed, secrets do not show.
func TestSecretsDoNotPrint(t *testing.T) {
	password, err := vrrp.NewPassword("tops3cr")
	if err != nil {
		t.Fatal(err)
	}
	k := vrrp.Key{ID: 1, Secret: []byte("tops3cret-tops3cret-tops3cret-tops3cret")}
	c := config()
	c.Version, c.Password = vrrp.V2, password
	adv := advert(1)
	adv.Password = password
	for _, v := range []any{password, &password, c, adv, k, []vrrp.Key{k}, vrrp.Send{Adv: adv}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, leak := range []string{"tops3cr", "746f7073", "746F7073", "116 111 112", "0x74"} {
				if strings.Contains(text, leak) {
					t.Errorf("%s of a %T shows it: %s", verb, v, text)
				}
			}
		}
	}
	if text, err := password.MarshalText(); err != nil || strings.Contains(string(text), "tops") {
		t.Errorf("MarshalText: %q, %v", text, err)
	}
}
