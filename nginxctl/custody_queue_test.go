package nginxctl

import (
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

func TestQueueThatNobodyEmptiesIsNamed(t *testing.T) {
	at := func(lengths ...int) map[uint64]listener {
		all := make(map[uint64]listener)
		for i, n := range lengths {
			e, err := tableAddress("0100007F:1F9" + string(rune('0'+i)))
			if err != nil {
				t.Fatal(err)
			}
			all[uint64(i)] = listener{endpoint{kind: unix.SOCK_STREAM, addr: e}, n}
		}
		return all
	}
	now := time.Now()
	for _, c := range []struct {
		name  string
		looks []map[uint64]listener // one second apart, the last one now
		want  []string
	}{
		{"empty", []map[uint64]listener{at(0), at(0), at(0), at(0), at(0)}, nil},
		{"for a moment", []map[uint64]listener{at(0), at(0), at(0), at(5), at(5)}, nil},
		{"it is being emptied", []map[uint64]listener{at(9), at(8), at(9), at(8), at(8)}, nil},
		{"it was empty in between", []map[uint64]listener{at(1), at(1), at(0), at(1), at(1)}, nil},
		{"it only grows", []map[uint64]listener{at(1), at(2), at(2), at(7), at(7)}, []string{"127.0.0.1:8080"}},
		{"of one socket", []map[uint64]listener{at(0, 3), at(1, 3), at(0, 3), at(1, 3), at(1, 4)}, []string{"127.0.0.1:8081"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var custody Custody
			for i, l := range c.looks {
				custody.watchQueues(l, now.Add(time.Duration(i+1-len(c.looks))*time.Second))
			}
			if diff := cmp.Diff(c.want, custody.Waiting()); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

// The kernel gives each worker a queue of its own, and goes on filling that of a
// worker which hangs.
func TestQueueOfAHungWorkerIsSeen(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	_, m := startSite(t, nginxtest.Config{Listen: []string{address + " reuseport"}})
	for _, p := range workers(t, m) {
		if err := p.signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	longest := func() int {
		_, at, err := listeners(m.PID())
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, l := range at {
			most = max(most, l.queue)
		}
		return most
	}
	if n := longest(); n != 0 {
		t.Errorf("%d connections wait before one is made", n)
	}
	for range 3 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	nginxtest.Eventually(t, "connections that wait", func() bool { return longest() > 0 })
}
