package supervisor

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ngha/vrrp"
)

func TestKeyringFollowsItsFile(t *testing.T) {
	one := vrrp.Key{ID: 1, Secret: bytes.Repeat([]byte{1}, 32)}
	two := vrrp.Key{ID: 2, Secret: bytes.Repeat([]byte{2}, 32)}
	changed := vrrp.Key{ID: 1, Secret: bytes.Repeat([]byte{3}, 32)}
	broken := errors.New("keys: has mode 0644")
	var set [][]int
	var refuse error
	k := newKeyring("keys", []vrrp.Key{one}, func(keys []vrrp.Key) error {
		if refuse == nil {
			set = append(set, ids(keys))
		}
		return refuse
	}, slog.New(slog.DiscardHandler))
	for i, step := range []struct {
		keys    []vrrp.Key
		err     error
		refuse  error
		set     [][]int // in all
		warning bool
	}{
		{keys: []vrrp.Key{one}},
		{keys: []vrrp.Key{one, two}}, // perhaps half of it
		{keys: []vrrp.Key{one, two}, set: [][]int{{1, 2}}},
		{keys: []vrrp.Key{one, two}, set: [][]int{{1, 2}}},
		{err: broken, set: [][]int{{1, 2}}},
		{err: broken, set: [][]int{{1, 2}}, warning: true},
		{err: errors.New("no such file"), set: [][]int{{1, 2}}, warning: true},
		{keys: []vrrp.Key{one, two}, set: [][]int{{1, 2}}, warning: true},
		{keys: []vrrp.Key{one, two}, set: [][]int{{1, 2}}},
		{keys: []vrrp.Key{two, one}, set: [][]int{{1, 2}}},
		{keys: []vrrp.Key{two, one}, set: [][]int{{1, 2}}, refuse: errors.New("not today"), warning: true},
		{keys: []vrrp.Key{two, one}, set: [][]int{{1, 2}, {2, 1}}},
		{keys: []vrrp.Key{changed}, set: [][]int{{1, 2}, {2, 1}}},
		{keys: []vrrp.Key{changed}, set: [][]int{{1, 2}, {2, 1}, {1}}},
		{keys: []vrrp.Key{one}, set: [][]int{{1, 2}, {2, 1}, {1}}},
		{keys: []vrrp.Key{one}, set: [][]int{{1, 2}, {2, 1}, {1}, {1}}}, // the same id with another secret
	} {
		k.read = func(string) ([]vrrp.Key, error) { return step.keys, step.err }
		refuse = step.refuse
		k.look()
		if diff := cmp.Diff(step.set, set); diff != "" {
			t.Errorf("step %d: keys set (-want +got):\n%s", i, diff)
		}
		if got := len(k.Warnings()) > 0; got != step.warning {
			t.Errorf("step %d: warnings %q, want some: %v", i, k.Warnings(), step.warning)
		}
	}
}
