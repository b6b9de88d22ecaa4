package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	// maxAddrs is what the count field of a message can tell.
	maxAddrs = 255
	// MaxAdvertised6 is how many IPv6 addresses an advertisement has room for
	// that is signed and fills an Ethernet frame: none is sent in fragments.
	MaxAdvertised6 = (1500 - 40 - headerLen - trailerLen) / 16
)

// withDefaults returns c with a value in every field.
func (c Config) withDefaults() Config {
	if c.Version == 0 {
		c.Version = V3
	}
	if c.Priority == 0 {
		c.Priority = PriorityDefault
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	return c
}

// validate returns one error for each field that is out of range, joined.
func (c Config) validate() error {
	var errs []error
	if c.VRID == 0 {
		errs = append(errs, errors.New("vrid 0: must be 1-255"))
	}
	if c.Version != V2 && c.Version != V3 {
		errs = append(errs, fmt.Errorf("version %d: must be 2 or 3", c.Version))
	}
	if c.Priority <= PriorityLastResort || c.Priority >= PriorityOwner {
		errs = append(errs, fmt.Errorf("priority %d: must be 2-254", c.Priority))
	}
	return errors.Join(append(errs, c.validateInterval(), c.validateAddrs(), c.validateFailback(), c.validateTrust())...)
}

func (c Config) validateInterval() error {
	lowest, highest, unit := unitV3, 40*time.Second, unitV3
	if c.Version == V2 {
		lowest, highest, unit = time.Second, 255*time.Second, unitV2
	}
	if c.Interval < lowest || c.Interval > highest || c.Interval%unit != 0 {
		return fmt.Errorf("interval %s: must be %s-%s in steps of %s under version %d",
			c.Interval, lowest, highest, unit, c.Version)
	}
	return nil
}

func (c Config) validateAddrs() error {
	if n := len(c.Addrs); n == 0 || n > maxAddrs {
		return fmt.Errorf("addrs: %d addresses: must be 1-%d", n, maxAddrs)
	}
	var errs []error
	switch n := len(c.advertised()); {
	case c.Is6() && c.Version == V2:
		errs = append(errs, errors.New("version 2: must be 3 where the first address is IPv6"))
	case c.Is6() && n > MaxAdvertised6:
		errs = append(errs, fmt.Errorf("addrs: %d IPv6 addresses to advertise: must be 1-%d", n, MaxAdvertised6))
	}
	seen := make(map[netip.Addr]bool)
	for i, p := range c.Addrs {
		addr := p.Addr()
		switch {
		case !p.IsValid() || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() || addr == broadcastIPv4:
			errs = append(errs, fmt.Errorf("addrs[%d] %s: must be a unicast address with its length", i, p))
		case seen[addr]:
			errs = append(errs, fmt.Errorf("addrs[%d] %s: must be named once only", i, p))
		}
		seen[addr] = true
	}
	return errors.Join(errs...)
}

func (c Config) validateFailback() error {
	switch f := c.Failback; {
	case f.After < 0:
		return fmt.Errorf("failback after %s: must be 0 or more", f.After)
	case f.Never && f.After > 0:
		return fmt.Errorf("failback after %s: must be 0 with Never", f.After)
	}
	return nil
}

// validateTrust checks whom the virtual router believes.
func (c Config) validateTrust() error {
	var errs []error
	if c.Routed && !c.Unicast {
		errs = append(errs, errors.New("routed: must be false without Unicast"))
	}
	if c.Password != (Password{}) && c.Version != V2 {
		errs = append(errs, fmt.Errorf("password: must be none under version %d", c.Version))
	}
	if c.Auth != nil {
		if c.Password != (Password{}) {
			errs = append(errs, errors.New("password: must be none with Auth"))
		}
		errs = append(errs, c.Auth.validate())
	}
	return errors.Join(errs...)
}
