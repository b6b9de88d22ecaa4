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

// ways wants so many of n datagrams to reach b from a, and a from b.
func ways(t *testing.T, when string, a, b *Host, n, there, back int) {
	t.Helper()
	gotThere, gotBack := reached(t, a, b, "198.51.100.2", n, there), reached(t, b, a, "198.51.100.1", n, back)
	if gotThere != there || gotBack != back {
		t.Fatalf("%s: %d and %d of %d arrived, want %d and %d", when, gotThere, gotBack, n, there, back)
	}
}

func TestCutDropsOneDirection(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	ways(t, "before", a, b, 10, 10, 10)
	fault := lan.Cut(a, b)
	ways(t, "cut from a to b", a, b, 10, 0, 10)
	fault.Heal()
	ways(t, "healed", a, b, 10, 10, 10)
}

func TestPartitionSparesEachSide(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	c := lan.lab.Host("c")
	lan.Attach(c, "198.51.100.3/24")
	lan.Partition([]*Host{a, b}, []*Host{c})
	ways(t, "within one side", a, b, 10, 10, 10)
	across := func() (there, back int) {
		return reached(t, a, c, "198.51.100.3", 10, 0), reached(t, c, b, "198.51.100.2", 10, 0)
	}
	if there, back := across(); there != 0 || back != 0 {
		t.Errorf("across %d and %d of 10 arrived, want none", there, back)
	}
	lan.Heal()
	// The hosts ask for each other by ARP once a second.
	eventually(t, "the sides to reach each other", func() error {
		if there, back := across(); there != 10 || back != 10 {
			return fmt.Errorf("%d and %d of 10 arrived", there, back)
		}
		return nil
	})
}

func TestHealLeavesOtherFaults(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	ways(t, "before", a, b, 1, 1, 1) // and know each other by ARP
	first := lan.Cut(a, b)
	lan.Cut(b, a)
	first.Heal()
	ways(t, "healed from a to b", a, b, 10, 10, 0)
}

func TestLoseDropsAShare(t *testing.T) {
	t.Parallel()
	lan, a, b := pair(t)
	ways(t, "before", a, b, 1, 1, 1) // and know each other by ARP
	lan.Lose(a, b, 30)
	const n = 1000 // of which 700 are expected, with a deviation of 14.5
	there, back := reached(t, a, b, "198.51.100.2", n, 600), reached(t, b, a, "198.51.100.1", n, n)
	if there < 600 || there > 800 || back != n {
		t.Errorf("%d and %d of %d arrived, want about 700 and all", there, back, n)
	}
}
