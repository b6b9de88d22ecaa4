package vrrp

import (
	"crypto/subtle"
	"fmt"
)

// AuthType is how a VRRPv2 message authenticates itself (RFC 2338 section
// 5.3.6; RFC 3768 keeps the field and only AuthNone).
type AuthType uint8

// The types that a message of IP protocol 112 can have.
const (
	AuthNone     AuthType = 0
	AuthPassword AuthType = 1
)

// Password is the password of VRRPv2: one to eight octets, and zeros behind
// them. Everybody on the LAN can read it: it keeps mistakes apart and no
// attacker. The zero Password is none. However it is printed, it does not show.
type Password [authDataLen]byte

// NewPassword returns the password that text is.
func NewPassword(text string) (Password, error) {
	var p Password
	if n := len(text); n == 0 || n > len(p) {
		return p, fmt.Errorf("a password of %d bytes: must have 1-%d", n, len(p))
	}
	copy(p[:], text)
	return p, nil
}

// authType is what a node with this password demands.
func (p Password) authType() AuthType {
	if p == (Password{}) {
		return AuthNone
	}
	return AuthPassword
}

// equals takes the same time whatever q is.
func (p Password) equals(q Password) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }

// Format prints a word in the password's place.
func (p Password) Format(f fmt.State, _ rune) { fmt.Fprint(f, secret) }

// MarshalText returns a word in the password's place.
func (p Password) MarshalText() ([]byte, error) { return []byte(secret), nil }

// secret stands where something that is not for everybody would be printed.
const secret = "(secret)"
