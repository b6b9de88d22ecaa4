package main

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// nginx is what a supervised one is compared with: nginx alone, whose address
// nobody keeps.
type nginx struct{}

func (nginx) name() string { return "nginx" }

func (nginx) start(tb testenv.TB, lab *testenv.Lab, h *testenv.Host, _ int, _ row) daemon {
	return startServer(tb, lab, h)
}

// server is an nginx that nobody supervises.
type server struct {
	tb      testenv.TB
	lab     *testenv.Lab
	host    *testenv.Host
	process *testenv.Process
}

func startServer(tb testenv.TB, lab *testenv.Lab, h *testenv.Host) server {
	return server{tb, lab, h, lab.StartNginx(h, "")}
}

func (server) awaitBackup() {}

// awaitActive has nothing to wait for but nginx itself.
func (s server) awaitActive() { s.awaitWorkers(nil) }

func (server) processes() testenv.PIDs { return nil }
func (s server) nginx() testenv.PIDs   { return s.process.Family() }

func (s server) nginxMaster() testenv.PIDs {
	if !s.process.Running() {
		return nil
	}
	return testenv.PIDs{s.process.PID()}
}

// breakNginx has nothing to do: Debian's nginx.service does not restart nginx,
// and neither does anybody here.
func (server) breakNginx() {}

// reload does what `nginx -s reload` does, which proves nothing, and waits until
// there are new workers.
func (s server) reload() error {
	before := s.nginx()
	if err := s.nginxMaster().Signal(unix.SIGHUP); err != nil {
		return err
	}
	s.awaitWorkers(before)
	return nil
}

// workers are those of the laboratory's nginx.
const workers = 2

// awaitWorkers waits until there are as many workers as nginx is to have which
// are not among those before.
func (s server) awaitWorkers(before testenv.PIDs) {
	s.lab.Await("workers of nginx on "+s.host.Name(), patience, func() error {
		fresh := 0
		for _, pid := range s.nginx()[1:] {
			if !slices.Contains(before, pid) {
				fresh++
			}
		}
		if fresh < workers {
			return fmt.Errorf("there are %d new ones", fresh)
		}
		return nil
	})
}
