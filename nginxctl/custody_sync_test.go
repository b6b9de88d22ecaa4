package nginxctl

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

// holds lists what is in custody, once for each socket.
func holds(c *Custody) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, s := range c.held {
		list = append(list, s.at.String())
	}
	slices.Sort(list)
	return list
}

func (g *guarded) reload(t *testing.T, c nginxtest.Config) {
	t.Helper()
	g.site.Write(t, c)
	if err := g.master.Reload(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func TestListenerRemovedByAReloadIsLetGo(t *testing.T) {
	kept, removed := nginxtest.FreeAddress(t), nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept, removed}})
	l := startCrowd(t, "tcp", kept)
	g.reload(t, nginxtest.Config{Listen: []string{kept}})
	nginxtest.Eventually(t, "refusal", func() bool { return errors.Is(ask("tcp", removed), unix.ECONNREFUSED) })
	l.verify(t, 0)
	g.covered(t)
	want := []string{kept, "unix:" + g.site.Socket}
	if diff := cmp.Diff(want, holds(g.custody)); diff != "" {
		t.Errorf("in custody (-want +got):\n%s", diff)
	}
}

func TestListenerAddedByAReload(t *testing.T) {
	kept, added := nginxtest.FreeAddress(t), nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept}})
	l := startCrowd(t, "tcp", kept)
	g.reload(t, nginxtest.Config{Listen: []string{kept, added}})
	if err := ask("tcp", added); err != nil {
		t.Error(err)
	}
	if !filtered() {
		g.covered(t)
		l.verify(t, 0)
		return
	}

	// nginx alone has it. A replacement cannot bind it before nginx goes, but
	// can wait in its place.
	list, why := g.custody.Uncovered()
	if diff := cmp.Diff([]string{added}, list); diff != "" || !errors.Is(why, unix.EPERM) {
		t.Errorf("Uncovered (-want +got):\n%s\nwhy: %v", diff, why)
	}
	ctx := testContext(t)
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if list := g.custody.OutOfReach(ctx, d); list != nil {
		t.Errorf("OutOfReach: %v, though it is too late for it", list)
	}
	old, err := Leftovers(g.master.Session())
	if err != nil {
		t.Fatal(err)
	}
	blocked, err := g.custody.Gather(ctx, d, old)
	if diff := cmp.Diff([]string{added}, blocked); diff != "" || err != nil {
		t.Errorf("blocked (-want +got):\n%s\n%v", diff, err)
	}
	draining, err := Clear(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	g.start(t, nil)
	g.retire(t, draining)
	g.covered(t)
	if err := ask("tcp", added); err != nil {
		t.Error(err)
	}
	l.verify(t, 0)
}

func TestListenerOutOfReachIsAddedByAReplacement(t *testing.T) {
	kept, added := nginxtest.FreeAddress(t), nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept}})
	l := startCrowd(t, "tcp", kept)
	g.site.Write(t, nginxtest.Config{Listen: []string{kept, added}})
	ctx := testContext(t)
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if filtered() {
		want = []string{added}
	}
	if diff := cmp.Diff(want, g.custody.OutOfReach(ctx, d)); diff != "" {
		t.Errorf("OutOfReach (-want +got):\n%s", diff)
	}
	old, err := Leftovers(g.master.Session())
	if err != nil {
		t.Fatal(err)
	}
	g.start(t, old)
	g.covered(t)
	l.verify(t, 0)
	if err := ask("tcp", added); err != nil {
		t.Error(err)
	}
	if got := holds(g.custody); len(got) != 3 {
		t.Errorf("in custody: %v", got)
	}
}

func TestReuseportFollowsTheNumberOfWorkers(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	config := func(workers int) nginxtest.Config {
		return nginxtest.Config{Listen: []string{address + " reuseport"}, Workers: workers}
	}
	g := guard(t, config(2))
	count := func() int {
		return len(slices.DeleteFunc(holds(g.custody), func(s string) bool { return s != address }))
	}
	for _, n := range []int{2, 4, 2} {
		g.reload(t, config(n))
		want := n
		if filtered() {
			want = 2
		}
		if got := count(); got != want {
			t.Errorf("%d workers: %d sockets in custody, want %d", n, got, want)
		}
		nginxtest.Eventually(t, "the old workers' sockets to be closed", func() bool {
			return !slices.ContainsFunc(workers(t, g.master), Process.ShuttingDown)
		})
		// A socket that nobody serves would keep its share of these waiting.
		for range 40 {
			if err := ask("tcp", address); err != nil {
				t.Errorf("%d workers: %v", n, err)
			}
		}
	}
	g.covered(t)
}

func TestSuccessorTakesTheSocketsOfALivingNginx(t *testing.T) {
	address := nginxtest.FreeAddress(t)
	first := guard(t, nginxtest.Config{Listen: []string{address}})
	// A predecessor that was killed has closed what it held.
	first.custody.mu.Lock()
	first.custody.drop(func(socket) bool { return true })
	first.custody.mu.Unlock()

	l := startCrowd(t, "tcp", address)
	g := &guarded{site: first.site, nginx: first.nginx, custody: new(Custody)}
	t.Cleanup(func() {
		if err := g.custody.Close(); err != nil {
			t.Error(err)
		}
	})
	old, err := Leftovers(first.master.Session())
	if err != nil {
		t.Fatal(err)
	}
	if !filtered() {
		g.start(t, old)
		g.covered(t)
		l.verify(t, 0)
		return
	}

	l.end()
	ctx := testContext(t)
	d, err := g.nginx.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	blocked, err := g.custody.Gather(ctx, d, old)
	slices.Sort(blocked)
	if diff := cmp.Diff([]string{address, "unix:" + g.site.Socket}, blocked); diff != "" || err != nil {
		t.Errorf("blocked (-want +got):\n%s\n%v", diff, err)
	}
	draining, err := Clear(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	g.start(t, nil)
	g.retire(t, draining)
	if err := ask("tcp", address); err != nil {
		t.Error(err)
	}
}

func TestCustodyOutlivesAMasterThatIsJustDying(t *testing.T) {
	g := guard(t, nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t)}})
	want := holds(g.custody)
	if err := g.master.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "its end", func() bool {
		err := g.custody.Sync(g.master)
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if g.master.Err() == nil && g.master.Stopping() {
			t.Fatal("a killed master is taken for one that was stopped")
		}
		return err != nil
	})
	if diff := cmp.Diff(want, holds(g.custody)); diff != "" {
		t.Errorf("in custody (-want +got):\n%s", diff)
	}
}

func TestStopIsNoticedInCustody(t *testing.T) {
	g := guard(t, nginxtest.Config{Listen: []string{nginxtest.FreeAddress(t)}})
	download(t, g.site)
	if g.master.Stopping() {
		t.Error("Stopping() while it runs")
	}
	if err := g.master.Signal(unix.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "Stopping", g.master.Stopping)
	nginxtest.Eventually(t, "nothing held for a nginx that ends", func() bool {
		if err := g.custody.Sync(g.master); err != nil {
			t.Fatal(err)
		}
		return len(holds(g.custody)) == 0
	})
}

// Once nothing has changed for a while the kernel's tables are left alone, and
// what happens is seen all the same.
func TestSettledCustodyStaysInStep(t *testing.T) {
	kept, added := nginxtest.FreeAddress(t), nginxtest.FreeAddress(t)
	g := guard(t, nginxtest.Config{Listen: []string{kept}})
	sync := func() {
		t.Helper()
		if err := g.custody.Sync(g.master); err != nil {
			t.Fatal(err)
		}
	}
	nginxtest.Eventually(t, "a custody that has settled", func() bool {
		sync()
		return g.custody.seen.last.Sub(g.custody.seen.first) >= settledSockets
	})
	last := g.custody.seen.last

	for _, p := range workers(t, g.master) {
		if err := p.signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", kept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nginxtest.Eventually(t, "a connection that waits", func() bool {
		sync()
		return len(g.custody.queues) == 1
	})
	if g.custody.seen.last != last {
		t.Error("the kernel's tables were read though nothing has changed")
	}
	for _, p := range workers(t, g.master) {
		if err := p.signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}

	g.site.Write(t, nginxtest.Config{Listen: []string{kept, added}})
	if err := g.master.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the added listener", func() bool {
		sync()
		beyond, _ := g.custody.Uncovered()
		return slices.Contains(append(holds(g.custody), beyond...), added)
	})
}
