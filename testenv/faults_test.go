package testenv

import (
	"fmt"
	"testing"
)

// pair is two hosts on one switch.
func pair(t *testing.T) (lan *Bridge, a, b *Host) {
	t.Helper()
	lab := New(t)
	lan = lab.Bridge("lan")
	a, b = lab.Host("a"), lab.Host("b")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(b, "198.51.100.2/24")
	return lan, a, b
}

// ways counts of n datagrams those that reach b from a, and a from b.
func ways(t *testing.T, a, b *Host, n int) (there, back int) {
	t.Helper()
	return reached(t, a, b, "198.51.100.2", n), reached(t, b, a, "198.51.100.1", n)
}

func TestCutDropsOneDirection(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	if there, back := ways(t, a, b, 10); there != 10 || back != 10 {
		t.Fatalf("before: %d and %d of 10 arrived", there, back)
	}
	fault := lan.Cut(a, b)
	if there, back := ways(t, a, b, 10); there != 0 || back != 10 {
		t.Errorf("cut from a to b: %d and %d of 10 arrived, want 0 and 10", there, back)
	}
	fault.Heal()
	if there, back := ways(t, a, b, 10); there != 10 || back != 10 {
		t.Errorf("healed: %d and %d of 10 arrived", there, back)
	}
}

func TestPartitionSparesEachSide(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	c := lan.lab.Host("c")
	lan.Attach(c, "198.51.100.3/24")
	lan.Partition([]*Host{a, b}, []*Host{c})
	if there, back := ways(t, a, b, 10); there != 10 || back != 10 {
		t.Errorf("within one side %d and %d of 10 arrived", there, back)
	}
	if there, back := reached(t, a, c, "198.51.100.3", 10), reached(t, c, b, "198.51.100.2", 10); there != 0 || back != 0 {
		t.Errorf("across %d and %d of 10 arrived, want none", there, back)
	}
	lan.Heal()
	// The hosts ask for each other by ARP once a second.
	eventually(t, "the sides to reach each other", func() error {
		if there, back := reached(t, a, c, "198.51.100.3", 10), reached(t, c, b, "198.51.100.2", 10); there != 10 || back != 10 {
			return fmt.Errorf("%d and %d of 10 arrived", there, back)
		}
		return nil
	})
}

func TestHealLeavesOtherFaults(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	if there, back := ways(t, a, b, 1); there != 1 || back != 1 { // and know each other by ARP
		t.Fatalf("before: %d and %d of 1 arrived", there, back)
	}
	first := lan.Cut(a, b)
	lan.Cut(b, a)
	first.Heal()
	if there, back := ways(t, a, b, 10); there != 10 || back != 0 {
		t.Errorf("%d and %d of 10 arrived, want 10 and 0", there, back)
	}
}

func TestLoseDropsAShare(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	if there, back := ways(t, a, b, 1); there != 1 || back != 1 { // and know each other by ARP
		t.Fatalf("before: %d and %d of 1 arrived", there, back)
	}
	lan.Lose(a, b, 30)
	const n = 1000 // of which 700 are expected, with a deviation of 14.5
	there, back := ways(t, a, b, n)
	if there < 600 || there > 800 || back != n {
		t.Errorf("%d and %d of %d arrived, want about 700 and all", there, back, n)
	}
}
