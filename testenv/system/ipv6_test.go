package system_test

import (
	"testing"

	"ngha/testenv"
)

// newSite6 is newSite with virtual addresses of its own.
func newSite6(t *testing.T, vips []string, configs ...testenv.Node) *site {
	t.Helper()
	s := newLAN(t, configs[0].Interval)
	s.vips = vips
	s.populate(configs...)
	return s
}

func TestFailoverOverIPv6(t *testing.T) {
	t.Parallel()
	s := newSite6(t, []string{vip6}, testenv.Node{}, testenv.Node{})
	s.owners.during("ngha was killed", leaseOverlap(s.interval, 150), func() {
		s.a.Kill()
		s.settlesOn(s.b)
	})
	s.listened(s.a, s.failsBack("now", s.a.Start))
}
