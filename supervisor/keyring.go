package supervisor

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"ngha/supervisor/config"
	"ngha/vrrp"
)

// readKeysEvery is how often a file with keys is read again. It may be a
// symbolic link into a volume that is swapped as a whole, of which no
// notification tells.
const readKeysEvery = time.Second

// keyring brings the keys in a file to a virtual router whenever they change.
// What cannot be used is told, and the old keys stay.
type keyring struct {
	file string
	read func(file string) ([]vrrp.Key, error)
	set  func([]vrrp.Key) error // must not block
	log  *slog.Logger

	used    []vrrp.Key
	last    reading
	warning atomic.Pointer[string] // nil: none
	ids     atomic.Pointer[[]int]  // of used
}

// reading is what was found in the file.
type reading struct {
	keys []vrrp.Key
	err  string
}

func (r reading) equal(o reading) bool { return r.err == o.err && sameKeys(r.keys, o.keys) }

func sameKeys(a, b []vrrp.Key) bool {
	return slices.EqualFunc(a, b, func(a, b vrrp.Key) bool { return a.ID == b.ID && bytes.Equal(a.Secret, b.Secret) })
}

func newKeyring(file string, used []vrrp.Key, set func([]vrrp.Key) error, log *slog.Logger) *keyring {
	k := &keyring{file: file, read: config.ReadKeys, set: set, log: log, last: reading{keys: used}}
	k.use(used)
	return k
}

func (k *keyring) use(keys []vrrp.Key) {
	list := ids(keys)
	k.used = keys
	k.ids.Store(&list)
}

// IDs are those of the keys in use, the one that signs first. Any goroutine may
// call it.
func (k *keyring) IDs() []int { return *k.ids.Load() }

// Warnings tells why the file is not what is used. Any goroutine may call it.
func (k *keyring) Warnings() []string {
	if w := k.warning.Load(); w != nil {
		return []string{*w}
	}
	return nil
}

// run follows the file until ctx ends.
func (k *keyring) run(ctx context.Context) {
	ticker := time.NewTicker(readKeysEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.look()
		}
	}
}

// look reads the file once. What is found counts when it is found again: it may
// be about to be written.
func (k *keyring) look() {
	var found reading
	var err error
	if found.keys, err = k.read(k.file); err != nil {
		found.err = err.Error()
	}
	settled := found.equal(k.last)
	k.last = found
	switch {
	case !settled:
	case found.err != "":
		k.warn("the keys in use are not those on disk: " + found.err)
	case sameKeys(found.keys, k.used):
		k.warning.Store(nil)
	default:
		if err := k.set(found.keys); err != nil {
			k.warn("the keys on disk cannot be used: " + err.Error())
			return
		}
		k.use(found.keys)
		k.warning.Store(nil)
		k.log.Info("keys changed", "signing", found.keys[0].ID, "known", ids(found.keys))
	}
}

// warn tells of a condition that is new.
func (k *keyring) warn(text string) {
	if w := k.warning.Swap(&text); w == nil || *w != text {
		k.log.Warn("keys not changed", "err", text)
	}
}

func ids(keys []vrrp.Key) []int {
	var list []int
	for _, k := range keys {
		list = append(list, int(k.ID))
	}
	return list
}
