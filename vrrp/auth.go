package vrrp

import (
	"errors"
	"fmt"
	"time"
)

// AuthMode is what a virtual router with keys sends and demands. The three are
// the steps by which running nodes are brought to it: every node receives
// before one signs, and every node signs before one demands it.
type AuthMode uint8

const (
	// AuthEnforce signs, and discards what is not signed.
	AuthEnforce AuthMode = iota
	// AuthPermissive signs, and accepts what is not.
	AuthPermissive
	// AuthReceiveOnly does not sign, and accepts what is not.
	AuthReceiveOnly
)

// String returns the configuration's word for m.
func (m AuthMode) String() string {
	switch m {
	case AuthEnforce:
		return "enforce"
	case AuthPermissive:
		return "permissive"
	case AuthReceiveOnly:
		return "receive-only"
	}
	return "invalid"
}

// Auth configures an Authenticator.
type Auth struct {
	Mode AuthMode
	// Window is how far the clocks of sender and receiver may be apart, and
	// thus for how long an advertisement could be replayed to a node that has
	// just started: 1s-300s, in whole seconds.
	Window time.Duration
	// Monotonic: the clocks cannot be trusted, and Window means nothing. What
	// a sender has signed must still come after all that it signed before, so
	// that its own clock must not go back over a restart.
	Monotonic bool
}

// The bounds of Auth.Window.
const (
	MinWindow = time.Second
	MaxWindow = 300 * time.Second
)

// DefaultWindow is three intervals, and five seconds at least.
func DefaultWindow(interval time.Duration) time.Duration {
	return min(max(3*interval.Truncate(time.Second), 5*time.Second), MaxWindow)
}

func (a Auth) validate() error {
	var errs []error
	if a.Mode > AuthReceiveOnly {
		errs = append(errs, fmt.Errorf("auth mode %d: must be 0-2", a.Mode))
	}
	if !a.Monotonic && (a.Window < MinWindow || a.Window > MaxWindow || a.Window%time.Second != 0) {
		errs = append(errs, fmt.Errorf("auth window %s: must be %s-%s in whole seconds", a.Window, MinWindow, MaxWindow))
	}
	return errors.Join(errs...)
}

// Key is a secret that the nodes of a virtual router share, and the number by
// which they call it. However it is printed, the secret does not show.
type Key struct {
	ID     uint8 // 1-255
	Secret []byte
}

// The bounds of len(Key.Secret).
const (
	MinKey = 32
	MaxKey = 64
)

// Format prints the key without its secret.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key %d %s", k.ID, secret) }

// ValidateKeys returns what is wrong with keys: there must be one, with a
// secret of MinKey to MaxKey octets each and an id of its own.
func ValidateKeys(keys []Key) error {
	if len(keys) == 0 {
		return errors.New("no key")
	}
	var errs []error
	var seen [256]bool
	for _, k := range keys {
		switch n := len(k.Secret); {
		case k.ID == 0:
			errs = append(errs, errors.New("key 0: ids are 1-255"))
		case n < MinKey || n > MaxKey:
			errs = append(errs, fmt.Errorf("key %d has %d bytes: must have %d-%d", k.ID, n, MinKey, MaxKey))
		case seen[k.ID]:
			errs = append(errs, fmt.Errorf("key %d is there twice", k.ID))
		}
		seen[k.ID] = true
	}
	return errors.Join(errs...)
}
