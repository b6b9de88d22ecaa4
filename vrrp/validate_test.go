package vrrp_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"ngha/vrrp"
)

func TestNewMachineNamesWhatIsOutOfRange(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*vrrp.Config)
		want   string
	}{
		{"vrid", func(c *vrrp.Config) { c.VRID = 0 }, "vrid 0: must be 1-255"},
		{"version", func(c *vrrp.Config) { c.Version = 4 }, "version 4: must be 2 or 3"},
		{"last resort", func(c *vrrp.Config) { c.Priority = 1 }, "priority 1: must be 2-254"},
		{"owner", func(c *vrrp.Config) { c.Priority = 255 }, "priority 255: must be 2-254"},
		{"short interval", func(c *vrrp.Config) { c.Interval = 5 * ms }, "interval 5ms: must be 10ms-40s in steps of 10ms under version 3"},
		{"long interval", func(c *vrrp.Config) { c.Interval = 41 * time.Second }, "interval 41s: must be 10ms-40s"},
		{"odd interval", func(c *vrrp.Config) { c.Interval = 15 * ms }, "interval 15ms: must be 10ms-40s"},
		{"v2 fraction", func(c *vrrp.Config) { c.Version, c.Interval = vrrp.V2, 1500*ms }, "interval 1.5s: must be 1s-4m15s in steps of 1s under version 2"},
		{"negative interval", func(c *vrrp.Config) { c.Interval = -time.Second }, "interval -1s: must be"},
		{"no address", func(c *vrrp.Config) { c.Addrs = nil }, "addrs: 0 addresses: must be 1-255"},
		{"zero address", func(c *vrrp.Config) { c.Addrs = make([]netip.Prefix, 1) }, "addrs[0] invalid Prefix: must be a unicast address"},
		{"group address", func(c *vrrp.Config) { c.Addrs[0] = netip.MustParsePrefix("224.0.0.18/32") }, "addrs[0] 224.0.0.18/32: must be"},
		{"twice", func(c *vrrp.Config) { c.Addrs = append(c.Addrs, netip.MustParsePrefix("198.51.100.100/32")) }, "addrs[1] 198.51.100.100/32: must be named once"},
		{"IPv4 in IPv6", func(c *vrrp.Config) { c.Addrs[0] = netip.MustParsePrefix("::ffff:198.51.100.100/128") }, "addrs[0] ::ffff:198.51.100.100/128: must be"},
		{"IPv6 group address", func(c *vrrp.Config) { c.Addrs[0] = netip.MustParsePrefix("ff02::12/128") }, "addrs[0] ff02::12/128: must be"},
		{"v2 IPv6", func(c *vrrp.Config) { c.Version, c.Addrs[0] = vrrp.V2, netip.MustParsePrefix("2001:db8::100/128") }, "version 2: must be 3 where the first address is IPv6"},
		{"too many IPv6", func(c *vrrp.Config) { c.Addrs = ipv6Addrs(90) }, "addrs: 90 IPv6 addresses to advertise: must be 1-89"},
		{"routed multicast", func(c *vrrp.Config) { c.Routed = true }, "routed: must be false without Unicast"},
		{"v3 password", func(c *vrrp.Config) { c.Password = vrrp.Password{1} }, "password: must be none under version 3"},
		{"password and keys", func(c *vrrp.Config) {
			c.Version, c.Password, c.Auth = vrrp.V2, vrrp.Password{1}, &vrrp.Auth{Monotonic: true}
		}, "password: must be none with Auth"},
		{"auth", func(c *vrrp.Config) { c.Auth = &vrrp.Auth{} }, "auth window 0s: must be 1s-5m0s in whole seconds"},
		{"failback", func(c *vrrp.Config) { c.Failback.After = -1 }, "failback after -1ns: must be 0 or more"},
		{"failback never after", func(c *vrrp.Config) { c.Failback = vrrp.Failback{Never: true, After: 1} }, "failback after 1ns: must be 0 with Never"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config()
			test.change(&c)
			if _, err := vrrp.NewMachine(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestNewMachineNamesEveryFault(t *testing.T) {
	_, err := vrrp.NewMachine(vrrp.Config{Priority: 255, Interval: 1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"vrid", "priority", "interval", "addrs"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %q", field, err)
		}
	}
}

func TestNewMachineAcceptsTheBounds(t *testing.T) {
	for name, change := range map[string]func(*vrrp.Config){
		"defaults":       func(c *vrrp.Config) { c.Priority = 0 },
		"lowest":         func(c *vrrp.Config) { c.VRID, c.Priority, c.Interval = 1, 2, 10*ms },
		"highest":        func(c *vrrp.Config) { c.VRID, c.Priority, c.Interval = 255, 254, 40*time.Second },
		"v2":             func(c *vrrp.Config) { c.Version = vrrp.V2 },
		"v2 255s":        func(c *vrrp.Config) { c.Version, c.Interval = vrrp.V2, 255*time.Second },
		"IPv6":           func(c *vrrp.Config) { c.Addrs = ipv6Addrs(89) },
		"IPv6 beside v2": func(c *vrrp.Config) { c.Version, c.Addrs = vrrp.V2, append(c.Addrs, ipv6Addrs(200)...) },
		"with host":      func(c *vrrp.Config) { c.Addrs[0] = netip.MustParsePrefix("198.51.100.100/32") },
	} {
		c := config()
		change(&c)
		if _, err := vrrp.NewMachine(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ipv6Addrs are so many IPv6 addresses.
func ipv6Addrs(n int) []netip.Prefix {
	var all []netip.Prefix
	for a := netip.MustParseAddr("2001:db8::100"); len(all) < n; a = a.Next() {
		all = append(all, netip.PrefixFrom(a, 128))
	}
	return all
}
