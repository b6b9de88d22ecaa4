package compose_test

import (
	"errors"
	"fmt"
	"testing"

	"ngha/testenv"
	"ngha/testenv/compose"
)

// The kernel kills somebody where the container's memory is all. A worker is
// nginx's to replace; ngha takes the container along, which is the engine's to
// start again.
func TestMemoryThatIsAll(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	c := compose.Start(t, lab, "--memory", "64m", "--memory-swap", "64m", "--restart", "on-failure:3", compose.Image)
	c.AwaitHealthy()
	// exhaust has the kernel kill the processes, by their folders, before the one
	// that wants the memory, which is killed in the end, too.
	exhaust := func(processes string) {
		c.Exec("sh", "-c", "for p in "+processes+"; do echo 1000 >$p/oom_score_adj; done; head -c 200m /dev/zero | tail")
	}
	before := c.Guest().NginxMaster()
	workers := fmt.Sprint(c.Guest().Nginx())
	exhaust("$(grep -l '^nginx: worker' /proc/[0-9]*/cmdline | xargs -n 1 dirname)")
	lab.Await("other workers", awaitLimit, func() error {
		if fmt.Sprint(c.Guest().Nginx()) == workers {
			return errors.New("they are the same")
		}
		return nil
	})
	c.AwaitHealthy()
	get(t, lab, c, "80")
	if after := c.Guest().NginxMaster(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("nginx's master was %v and is %v", before, after)
	}

	exhaust("/proc/1")
	lab.Await("the engine to restart it", awaitLimit, func() error {
		if n := c.Inspect("{{.RestartCount}}"); n != "1" {
			return fmt.Errorf("restarted %s times", n)
		}
		return nil
	})
	c.AwaitHealthy()
	get(t, lab, c, "80")
}
