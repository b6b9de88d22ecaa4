package testenv

import "testing"

func TestUntrueAnswersAreSeen(t *testing.T) {
	good := diskState{version: 5}
	turning := diskState{version: 5, turning: true}
	broken := diskState{version: 5, broken: true, turn: 1}
	mended := diskState{version: 6, turn: 2}
	words := "nginx refuses: " + stormFault
	for _, c := range []struct {
		name          string
		a             ReloadAnswer
		before, after diskState
		served        int
		untrue        bool
	}{
		{"applied", ReloadAnswer{true, 8, ""}, good, good, 5, false},
		{"applied, and more than was asked for", ReloadAnswer{true, 9, ""}, good, diskState{version: 7}, 7, false},
		{"applied before the fault", ReloadAnswer{true, 8, ""}, good, broken, 5, false},
		{"applied after the cure", ReloadAnswer{true, 8, ""}, broken, mended, 6, false},
		{"applied on the way", ReloadAnswer{true, 8, ""}, turning, broken, 5, false},
		{"refused", ReloadAnswer{false, 7, words}, broken, broken, -1, false},
		{"refused after the fault", ReloadAnswer{false, 7, words}, good, broken, -1, false},
		{"refused on the way", ReloadAnswer{false, 7, words}, turning, turning, -1, false},

		{"applied although it is broken", ReloadAnswer{true, 8, ""}, broken, broken, 5, true},
		{"applied before the call", ReloadAnswer{true, 7, ""}, good, good, 5, true},
		{"applied, but the old one serves", ReloadAnswer{true, 8, ""}, good, good, 4, true},
		{"refused although it is good", ReloadAnswer{false, 7, words}, good, good, -1, true},
		{"refused without a reason", ReloadAnswer{false, 7, "no"}, broken, broken, -1, true},
		{"refused by a generation of old", ReloadAnswer{false, 6, words}, broken, broken, -1, true},
	} {
		if got := c.a.untrue(7, c.before, c.after, c.served); (got != "") != c.untrue {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
