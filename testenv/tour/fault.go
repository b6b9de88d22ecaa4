package main

import (
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// fault is one kind of harm to node a, which holds the address.
type fault struct {
	name string // for the summary
	do   step
	// undo helps node a up again. The zero step: it has to help itself.
	undo step
}

// step is something that is done, and how it is told.
type step struct {
	story string
	do    func()
}

func (t *tour) faults() []fault {
	startAgain := step{"ngha is started again.", t.a.Start}
	return []fault{
		{"nginx's master killed", step{
			"nginx's master process on a is killed (SIGKILL). Its workers live on.",
			func() { t.signal(t.a.NginxMaster(), unix.SIGKILL) },
		}, step{}},
		{"nginx killed altogether", step{
			"All of nginx on a is killed, master and workers.",
			func() { t.signal(t.a.Nginx(), unix.SIGKILL) },
		}, step{}},
		{"nginx frozen", step{
			"All of nginx on a is frozen (SIGSTOP): it accepts connections and never answers.",
			func() { t.signal(t.a.Nginx(), unix.SIGSTOP) },
		}, step{
			"nginx thaws.",
			func() { t.signal(t.a.Nginx(), unix.SIGCONT) },
		}},
		{"ngha killed", step{
			"ngha on a is killed (kill -9): it cannot take the address down any more.",
			t.a.Kill,
		}, startAgain},
		{"node vanishes", step{
			"Node a vanishes: its cable is pulled and every process on it is gone.",
			t.a.Host().PowerOff,
		}, step{
			"Node a is switched on again, and ngha started.",
			func() { t.a.Host().PowerOn(); t.a.Start() },
		}},
		{"link unplugged", step{
			"The cable of a is pulled out. Everything on a runs on.",
			t.link.PortDown,
		}, step{
			"The cable is plugged in again.",
			t.link.PortUp,
		}},
		{"planned end", step{
			"ngha on a is asked to end (SIGTERM), as for an upgrade.",
			func() { t.signal(testenv.PIDs{t.a.Process().PID()}, unix.SIGTERM) },
		}, step{
			"ngha is started again.",
			func() { t.a.Process().AwaitExit(); t.a.Start() },
		}},
	}
}

func (t *tour) signal(to testenv.PIDs, sig unix.Signal) {
	if len(to) == 0 {
		t.tb.Fatalf("there is no process to send %v to", sig)
	}
	if err := to.Signal(sig); err != nil {
		t.tb.Fatalf("%v", err)
	}
}
