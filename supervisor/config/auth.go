package config

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ngha/vrrp"
)

// auth is what `auth` says.
type auth struct {
	file string
	keys []vrrp.Key
	vrrp vrrp.Auth
}

var authKeys = keys[auth]{
	{
		name: "keys_file", flag: "auth-keys-file", arg: "FILE", help: "a file of mode 0600 with the keys that sign advertisements, ID KEY on a line each, the first one for signing; read again when it changes",
		read: func(d *decoder, n *node, a *auth) { a.file, a.keys = d.keysFile(n) },
	},
	{
		name: "keys", flag: "auth-keys", arg: "TEXT", quiet: true, help: "the same as a text, from the environment only",
		read: func(d *decoder, n *node, a *auth) { a.keys = d.keysText(n) },
	},
	{
		name: "mode", value: "enforce", flag: "auth-mode", arg: "WORD", help: "enforce; permissive: hear what is not signed, too; receive-only: and do not sign",
		read: func(d *decoder, n *node, a *auth) {
			w, _ := d.word(n, "mode", "enforce", "permissive", "receive-only")
			for _, m := range []vrrp.AuthMode{vrrp.AuthEnforce, vrrp.AuthPermissive, vrrp.AuthReceiveOnly} {
				if m.String() == w {
					a.vrrp.Mode = m
				}
			}
		},
	},
	{
		name: "replay", value: "time", flag: "auth-replay", arg: "WORD", help: "what keeps old advertisements from being repeated: time, or monotonic where clocks cannot be trusted",
		read: func(d *decoder, n *node, a *auth) {
			w, _ := d.word(n, "protection against replay", "time", "monotonic")
			a.vrrp.Monotonic = w == "monotonic"
		},
	},
	{
		name: "window", flag: "auth-window", arg: "DURATION", help: "how far the nodes' clocks may be apart, 1s-5m; left out: three intervals, 5s at least",
		read: func(d *decoder, n *node, a *auth) {
			v, ok := d.duration(n, "window", vrrp.MinWindow, vrrp.MaxWindow)
			if ok && v%time.Second != 0 {
				d.fault(n.place, fmt.Sprintf("window %s: whole seconds count", show(n.text)), "write "+short(v.Truncate(time.Second)+time.Second))
			}
			a.vrrp.Window = v
		},
	},
}

// auth reads a mapping of authKeys into v. Interval has been read.
func (d *decoder) auth(n *node, v *VirtualRouter) {
	var a auth
	decode(d, n, authKeys, &a)
	if len(n.entries) == 0 && n.kind == mapping {
		return // it is the default
	}
	_, inFile := n.child("keys_file")
	_, inText := n.child("keys")
	switch {
	case !inFile && !inText && n.keyed():
		d.fault(n.place, "auth has no keys", "add `keys_file: FILE`, or set NGHA_AUTH_KEYS")
	case inFile && inText:
		d.fault(n.at("keys"), "there are two sources of keys", "leave out keys_file or NGHA_AUTH_KEYS")
	}
	if _, given := n.child("window"); given && a.vrrp.Monotonic {
		d.fault(n.at("window"), "replay: monotonic knows no window", "leave window out, or write replay: time")
	}
	if a.vrrp.Window == 0 {
		a.vrrp.Window = vrrp.DefaultWindow(v.VRRP.Interval)
	}
	v.KeysFile, v.Keys, v.VRRP.Auth = a.file, a.keys, &a.vrrp
}

// password reads a password of version 2. No message shows it.
func (d *decoder) password(n *node) vrrp.Password {
	if n.kind != scalar {
		d.fault(n.place, fmt.Sprintf("%s where a single value belongs", n.kind), passwordCure)
		return vrrp.Password{}
	}
	return d.passwordOf(n, n.text)
}

const passwordCure = "write 1 to 8 bytes, as the other nodes have them; of a longer one keepalived sends the first 8"

func (d *decoder) passwordOf(n *node, text string) vrrp.Password {
	p, err := vrrp.NewPassword(text)
	if err != nil {
		d.fault(n.place, err.Error(), passwordCure)
	}
	return p
}

// passwordFile reads the password in the file that n names, without the line
// feed at its end.
func (d *decoder) passwordFile(n *node) vrrp.Password {
	path, text, ok := d.secretFile(n)
	if !ok {
		return vrrp.Password{}
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	p, err := vrrp.NewPassword(text)
	if err != nil {
		d.fault(n.place, fmt.Sprintf("%s has %v", path, err), passwordCure)
	}
	return p
}

// secretFile reads the file that n names.
func (d *decoder) secretFile(n *node) (path, text string, ok bool) {
	path, ok = d.text(n, "name a file")
	if !ok {
		return "", "", false
	}
	text, err := readSecret(path)
	if err != nil {
		d.fault(n.place, err.Error(), secretCure(path, err))
		return "", "", false
	}
	return path, text, true
}

// keysFile reads the keys in the file that n names.
func (d *decoder) keysFile(n *node) (string, []vrrp.Key) {
	path, text, ok := d.secretFile(n)
	if !ok {
		return "", nil
	}
	keys, err := parseKeys(text)
	if err != nil {
		d.fault(n.place, fmt.Sprintf("%s: %v", path, oneLine(err)), keysCure)
	}
	return path, keys
}

// keysText reads keys from the environment.
func (d *decoder) keysText(n *node) []vrrp.Key {
	if n.source.rank != rankEnvironment {
		d.fault(n.place, "keys do not belong into this file, which others may read", "write them into a file of their own, of mode 0600, and name it in keys_file")
		return nil
	}
	keys, err := parseKeys(n.text)
	if err != nil {
		d.fault(n.place, oneLine(err), keysCure)
	}
	return keys
}

const keysCure = "write `ID hex:DIGITS` on a line for each key, with an id from 1 to 255 and 64 to 128 digits: openssl rand -hex 32"

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// ReadKeys reads the file that keys_file names. Its error does not show a key.
func ReadKeys(path string) ([]vrrp.Key, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, oneLine(err))
	}
	return keys, nil
}

// parseKeys reads keys, one on a line: its id, blanks, and hex: with digits, or
// a text as it is. Lines that begin with # are comments.
func parseKeys(text string) ([]vrrp.Key, error) {
	var keys []vrrp.Key
	var errs []error
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseKey(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		keys = append(keys, k)
	}
	if err := errors.Join(append(errs, lines.Err())...); err != nil {
		return nil, err
	}
	if err := vrrp.ValidateKeys(keys); err != nil {
		return nil, err
	}
	return keys, nil
}

func parseKey(line string) (vrrp.Key, error) {
	number, secret := line, ""
	if i := strings.IndexAny(line, " \t"); i > 0 {
		number, secret = line[:i], strings.TrimSpace(line[i:])
	}
	id, err := strconv.ParseUint(number, 10, 8)
	if err != nil || id == 0 {
		return vrrp.Key{}, errors.New("does not begin with an id from 1 to 255") // which it would be unwise to show
	}
	k := vrrp.Key{ID: uint8(id), Secret: []byte(secret)}
	if digits, ok := strings.CutPrefix(secret, "hex:"); ok {
		if k.Secret, err = hex.DecodeString(digits); err != nil {
			return vrrp.Key{}, fmt.Errorf("key %d is not an even number of hexadecimal digits", id)
		}
	}
	return k, nil
}
