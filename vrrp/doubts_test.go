package vrrp_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

func password(t *testing.T, text string) vrrp.Password {
	t.Helper()
	p, err := vrrp.NewPassword(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPasswordHasOneToEightBytes(t *testing.T) {
	for text, want := range map[string]bool{"": false, "s": true, "12345678": true, "123456789": false} {
		if _, err := vrrp.NewPassword(text); (err == nil) != want {
			t.Errorf("password of %d bytes: %v", len(text), err)
		}
	}
}

// RFC 2338 section 5.3.6, RFC 3768 section 7.1: authentication of another type
// than configured is discarded, and another password. Nothing else is touched.
func TestAuthenticationMustBeTheConfiguredOne(t *testing.T) {
	for _, mine := range []string{"", "secret", "secret12"} {
		for _, theirs := range []string{"", "secret", "secret12", "Secret"} {
			b := newBench(t, func(c *vrrp.Config) {
				c.Version = vrrp.V2
				if mine != "" {
					c.Password = password(t, mine)
				}
			}).backup()
			adv := advert(250)
			adv.Version = vrrp.V2
			if theirs != "" {
				adv.Auth, adv.Password = vrrp.AuthPassword, password(t, theirs)
			}
			got := b.step(time.Second, vrrp.Received{Src: higher, Adv: adv})
			switch {
			case mine == theirs:
				b.want(got)
				b.wantDeadline(down)
			case mine == "" || theirs == "":
				b.want(got, vrrp.Discard{Src: higher, Reason: vrrp.ReasonAuth})
				b.wantDeadline(down - time.Second)
			default:
				b.want(got, vrrp.Discard{Src: higher, Reason: vrrp.ReasonPassword})
				b.wantDeadline(down - time.Second)
			}
		}
	}
}

func TestPasswordIsSent(t *testing.T) {
	b := newBench(t, func(c *vrrp.Config) { c.Version, c.Password = vrrp.V2, password(t, "secret") }).backup()
	for _, a := range b.run(down) {
		if s, ok := a.(vrrp.Send); ok {
			if s.Adv.Auth != vrrp.AuthPassword || s.Adv.Password != password(t, "secret") {
				t.Errorf("sent type %d, want the password", s.Adv.Auth)
			}
			return
		}
	}
	t.Error("nothing was sent")
}

func TestDoubts(t *testing.T) {
	second, third := netip.MustParseAddr("198.51.100.101"), netip.MustParseAddr("203.0.113.1")
	two := func(c *vrrp.Config) { c.Addrs = append(c.Addrs, netip.PrefixFrom(second, 32)) }
	for name, test := range map[string]struct {
		config func(*vrrp.Config)
		adv    func(*vrrp.Advertisement)
		want   []vrrp.Reason
	}{
		"none":                 {},
		"release":              {adv: func(a *vrrp.Advertisement) { a.Priority = 0 }},
		"other order":          {two, func(a *vrrp.Advertisement) { a.Addrs = []netip.Addr{second, vip.Addr()} }, nil},
		"one less":             {two, nil, []vrrp.Reason{vrrp.ReasonAddresses}},
		"one twice":            {two, func(a *vrrp.Advertisement) { a.Addrs = []netip.Addr{second, second} }, []vrrp.Reason{vrrp.ReasonAddresses}},
		"one more":             {nil, func(a *vrrp.Advertisement) { a.Addrs = append(a.Addrs, second) }, []vrrp.Reason{vrrp.ReasonAddresses}},
		"one of two":           {two, func(a *vrrp.Advertisement) { a.Addrs = []netip.Addr{second, third} }, []vrrp.Reason{vrrp.ReasonAddresses}},
		"others altogether":    {two, func(a *vrrp.Advertisement) { a.Addrs = []netip.Addr{third} }, []vrrp.Reason{vrrp.ReasonForeign}},
		"owner":                {adv: func(a *vrrp.Advertisement) { a.Priority = 255 }, want: []vrrp.Reason{vrrp.ReasonOwner}},
		"shorter interval":     {adv: func(a *vrrp.Advertisement) { a.Interval = 10 * ms }, want: []vrrp.Reason{vrrp.ReasonOtherInterval}},
		"longer interval":      {adv: func(a *vrrp.Advertisement) { a.Interval = 9990 * ms }, want: []vrrp.Reason{vrrp.ReasonOtherInterval}},
		"very long interval":   {adv: func(a *vrrp.Advertisement) { a.Interval = 10 * time.Second }, want: []vrrp.Reason{vrrp.ReasonLongInterval}},
		"long on both sides":   {func(c *vrrp.Config) { c.Interval = 40 * time.Second }, func(a *vrrp.Advertisement) { a.Interval = 40 * time.Second }, nil},
		"long on this side":    {func(c *vrrp.Config) { c.Interval = 40 * time.Second }, func(a *vrrp.Advertisement) { a.Interval = 20 * time.Second }, []vrrp.Reason{vrrp.ReasonOtherInterval}},
		"RFC checksum":         {adv: func(a *vrrp.Advertisement) { a.Checksum = vrrp.MessageOnly }, want: []vrrp.Reason{vrrp.ReasonOtherChecksum}},
		"keepalived's":         {config: func(c *vrrp.Config) { c.Checksum = vrrp.MessageOnly }, want: []vrrp.Reason{vrrp.ReasonOtherChecksum}},
		"version 2 has no two": {func(c *vrrp.Config) { c.Version = vrrp.V2 }, func(a *vrrp.Advertisement) { a.Version, a.Checksum = vrrp.V2, vrrp.MessageOnly }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, adv := config(), advert(100)
			if test.config != nil {
				test.config(&c)
			}
			if test.adv != nil {
				test.adv(&adv)
			}
			m, err := vrrp.NewMachine(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, m.Doubts(adv)); diff != "" {
				t.Errorf("doubts about %+v (-want +got):\n%s", adv, diff)
			}
		})
	}
}

// Whatever is doubtful is obeyed all the same (RFC 9568 sections 7.1 and 5.2.4):
// a node that refused would become a second Active.
func TestDoubtsDoNotDiscard(t *testing.T) {
	b := newBench(t).active()
	adv := advert(255)
	adv.Addrs, adv.Checksum = []netip.Addr{netip.MustParseAddr("203.0.113.1")}, vrrp.MessageOnly
	adv.Interval = 40 * time.Second
	b.step(100*ms, vrrp.Received{Src: lower, Adv: adv})
	b.wantState(vrrp.Backup)
	b.wantDeadline(vrrp.ActiveDownInterval(vrrp.V3, 200, 40*time.Second))
}

// Each alarm names both sides of the contradiction, and a cure.
func TestExplainNamesBothSidesAndACure(t *testing.T) {
	v2 := func(c *vrrp.Config) { c.Version = vrrp.V2 }
	withAuth := func(c *vrrp.Config) { c.Auth = &vrrp.Auth{Window: 5 * time.Second} }
	unicast := func(c *vrrp.Config) { c.Unicast = true }
	adv := func(change func(*vrrp.Advertisement)) vrrp.Advertisement {
		a := advert(100)
		change(&a)
		return a
	}
	for _, test := range []struct {
		config     func(*vrrp.Config)
		finding    vrrp.Finding
		what, cure []string // words in them
	}{
		{nil, vrrp.Finding{Reason: vrrp.ReasonVersion, Adv: adv(func(a *vrrp.Advertisement) { a.Version = 2 })}, []string{"version 2", "version 3"}, []string{"same version"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonVersion, Value: 7}, []string{"version 7", "version 3"}, nil},
		{v2, vrrp.Finding{Reason: vrrp.ReasonInterval, Adv: adv(func(a *vrrp.Advertisement) { a.Interval = 2 * time.Second })}, []string{"2s", "1s"}, []string{"same interval", "version 3"}},
		{v2, vrrp.Finding{Reason: vrrp.ReasonAuth, Adv: adv(func(a *vrrp.Advertisement) { a.Auth = vrrp.AuthPassword })}, []string{"a password", "no password"}, []string{"PASS"}},
		{v2, vrrp.Finding{Reason: vrrp.ReasonAuth, Value: 2}, []string{"type 2"}, nil},
		{v2, vrrp.Finding{Reason: vrrp.ReasonPassword}, []string{"another password"}, []string{"8 bytes"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonChecksum}, []string{"checksum"}, []string{"1.3.7"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonOwnAddress}, []string{"own address"}, []string{"loop"}},
		{unicast, vrrp.Finding{Reason: vrrp.ReasonUnknownPeer}, []string{"peers"}, []string{"peers"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonTTL, Value: 63}, []string{"63", "255"}, []string{"multicast"}},
		{unicast, vrrp.Finding{Reason: vrrp.ReasonTTL, Value: 63}, []string{"63"}, []string{"unicast_ttl", "allow_routed: true"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonTrailer, Value: 28}, []string{"signs", "no keys"}, []string{"auth_hmac"}},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonTrailer, Value: 28}, []string{"signs"}, []string{"2.4.2"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonTrailer, Value: 3}, []string{"3 bytes"}, nil},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonUnsigned}, []string{"does not sign"}, []string{"permissive"}},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonStale, Value: 9}, []string{"9s behind"}, []string{"NTP", "monotonic"}},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonStale, Value: -90}, []string{"1m30s ahead"}, nil},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonKey, Value: 4}, []string{"key 4"}, nil},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonSignature}, []string{"does not fit", "forges"}, []string{"same keys"}},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonReplay}, []string{"repeats"}, []string{"NTP"}},
		{withAuth, vrrp.Finding{Reason: vrrp.ReasonClock, Value: 4}, []string{"4s behind", "5s"}, []string{"NTP"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonAddresses, Adv: adv(func(a *vrrp.Advertisement) { a.Addrs = append(a.Addrs, higher) })}, []string{"198.51.100.3, 198.51.100.100", "this node 198.51.100.100"}, []string{"2.3.3"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonForeign, Adv: adv(func(a *vrrp.Advertisement) { a.Addrs = []netip.Addr{higher} })}, []string{"VRID 7", "198.51.100.3"}, []string{"vrid of its own"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonOwner}, []string{"255"}, []string{"254"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonOtherInterval, Adv: adv(func(a *vrrp.Advertisement) { a.Interval = 300 * ms })}, []string{"300ms", "1s"}, []string{"same interval"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonLongInterval, Adv: adv(func(a *vrrp.Advertisement) { a.Interval = 40 * time.Second })}, []string{"40s", "2m8.8s"}, []string{"interval"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonOtherChecksum, Adv: adv(func(a *vrrp.Advertisement) { a.Checksum = vrrp.MessageOnly })}, []string{"rfc9568", "pseudo-header"}, []string{"checksum: rfc9568"}},
		{nil, vrrp.Finding{Reason: vrrp.ReasonLength}, []string{"length"}, nil},
		{nil, vrrp.Finding{Reason: vrrp.ReasonInterval}, []string{"interval"}, nil},
	} {
		t.Run(test.finding.Reason.String(), func(t *testing.T) {
			c := config()
			if test.config != nil {
				test.config(&c)
			}
			what, cure := c.Explain(test.finding)
			for _, word := range test.what {
				if !strings.Contains(what, word) {
					t.Errorf("%q does not say %q", what, word)
				}
			}
			for _, word := range append(test.cure, " ") {
				if !strings.Contains(cure, word) {
					t.Errorf("the cure %q does not say %q", cure, word)
				}
			}
		})
	}
}

func TestExplainNamesAFewOfManyAddresses(t *testing.T) {
	adv := advert(100)
	for i := range 200 {
		adv.Addrs = append(adv.Addrs, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
	}
	slices.Reverse(adv.Addrs)
	what, _ := config().Explain(vrrp.Finding{Reason: vrrp.ReasonAddresses, Adv: adv})
	if len(what) > 300 || !strings.Contains(what, "and 193 more") {
		t.Errorf("%d bytes: %s", len(what), what)
	}
}
