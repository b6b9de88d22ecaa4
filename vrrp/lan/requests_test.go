package lan

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// install adds a to the interface, as one that a Port has, for as many seconds.
func install(r *requests, index int, a netip.Prefix, seconds uint32) error {
	return r.do(lease(index, a, seconds))
}

// TestRequestOnTheWire has the layout of rtnetlink(7).
func TestRequestOnTheWire(t *testing.T) {
	m := aboutAddress(unix.RTM_NEWADDR, unix.NLM_F_CREATE, 5, netip.MustParsePrefix("198.51.100.100/24"))
	m = m.attribute(ifaProto, []byte{tag})
	m.finish(9, len(m))
	want := message{
		64, 0, 0, 0, 20, 0, 5, 4, 9, 0, 0, 0, 0, 0, 0, 0,
		2, 24, 0, 0, 5, 0, 0, 0,
		8, 0, 2, 0, 198, 51, 100, 100,
		8, 0, 1, 0, 198, 51, 100, 100,
		8, 0, 4, 0, 198, 51, 100, 255,
		5, 0, 11, 0, tag, 0, 0, 0,
	}
	want[0] = byte(len(want))
	if number(1)[0] != 1 {
		t.Skip("written for a little-endian machine")
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestKernelsRefusalIsTheError(t *testing.T) {
	_, h := solo(t)
	must(t, h, func() error {
		r, err := openRequests()
		if err != nil {
			return err
		}
		defer r.close()
		for range 2 { // one answer is for one request
			if err := install(r, 12345, netip.MustParsePrefix(vip), 10); !errors.Is(err, unix.ENODEV) {
				t.Errorf("install on an interface that is not there: %v, want ENODEV", err)
			}
			if err := r.remove(1, netip.MustParsePrefix(vip)); err != nil {
				t.Errorf("remove what is not there: %v", err)
			}
		}
		return nil
	})
}

// TestOwnRenewalsAreNotHeardOf: others' are, and so is every removal.
func TestOwnRenewalsAreNotHeardOf(t *testing.T) {
	_, h := solo(t)
	var heard []update
	var own, other *requests
	must(t, h, func() error {
		sub, err := subscribe()
		if err != nil {
			return err
		}
		defer sub.close()
		if own, err = openRequests(); err != nil {
			return err
		}
		defer own.close()
		if other, err = openRequests(); err != nil {
			return err
		}
		defer other.close()
		if err := ignoreInstalled(sub, own.port); err != nil {
			return err
		}
		index, a := h.Links()[0].Index(), netip.MustParsePrefix(vip)
		if err := errors.Join(
			install(own, index, a, 100), install(own, index, a, 100),
			install(other, index, a, 100), install(own, index, a, 100), own.remove(index, a),
		); err != nil {
			return err
		}
		b := make([]byte, maxNotice)
		for len(heard) < 2 {
			updates, err := receive(sub, b)
			if err != nil {
				return err
			}
			for _, u := range updates {
				if u.addr != nil && u.addr.local == a {
					heard = append(heard, u)
				}
			}
		}
		return nil
	})
	if heard[0].by != other.port || heard[0].gone || heard[1].by != own.port || !heard[1].gone {
		t.Errorf("heard %+v and %+v, want the renewal by %d and the removal by %d", heard[0], heard[1], other.port, own.port)
	}
}
