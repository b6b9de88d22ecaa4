package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/status"
)

// drainLimit is how long workers of an earlier master may go on serving what
// they have.
const drainLimit = time.Minute

// A predecessor is a master that serves and is to be replaced.
type predecessor struct {
	master *nginxctl.Master
	trial  *trial // what its successor must stand; nil: nothing, it cannot do worse
	spared bool   // rather no successor than a connection refused
}

// succeed starts a master in place of those remembered, the living and the
// dead: it inherits their listening sockets, and when its workers are there they
// finish what they serve. Until then they are better than nothing: one that
// fails leaves them as they are. over is nil where none of them is a master that
// serves.
func (s *Supervisor) succeed(ctx context.Context, c configuration, over *predecessor) (*nginxctl.Master, error) {
	sessions, old, err := s.sessions.leftovers()
	if err != nil {
		return nil, err
	}
	if len(old) > 0 {
		s.log.Info("replacing an earlier nginx", "processes", len(old))
		if old, err = s.makeRoom(ctx, c.dump, old, over); err != nil {
			return nil, err
		}
	}
	if len(old) == 0 {
		over = nil // it had to go first
	}
	master, err := c.nginx.StartWith(ctx, c.dump, s.custody)
	if err != nil {
		return nil, err
	}
	if err := master.Warning(); err != nil {
		s.log.Warn("nginx started, but", "err", err)
	}
	s.remember(append(sessions, master.Session())...)
	if err := master.ReadyOnTrial(ctx, over.try(master)); err != nil {
		err = errors.Join(err, s.withdraw(c, master, over))
		s.remember(sessions...)
		return nil, err
	}
	draining, err := nginxctl.Retire(ctx, old)
	s.drain(draining)
	if err != nil {
		s.log.Warn("earlier nginx not ended", "err", err)
	}
	s.remember(master.Session())
	return master, nil
}

// try returns the trial of master, who comes after p.
func (p *predecessor) try(master *nginxctl.Master) func(context.Context) error {
	return func(ctx context.Context) error {
		if p == nil || p.trial == nil {
			return nil
		}
		return p.trial.run(ctx, master)
	}
}

// withdrawLimit bounds the end of a master that was not good enough.
const withdrawLimit = 10 * time.Second

// withdraw ends a master that was not good enough. What its workers have
// accepted beside those of the one that stays they may finish.
func (s *Supervisor) withdraw(c configuration, master *nginxctl.Master, over *predecessor) error {
	if over == nil {
		return master.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), withdrawLimit)
	defer cancel()
	procs, err := nginxctl.Leftovers(master.Session())
	if err != nil {
		return err
	}
	draining, err := nginxctl.Retire(ctx, procs)
	s.drain(draining)
	return errors.Join(err, over.master.ReclaimPIDFile(c.dump))
}

// makeRoom takes old's sockets into custody. Where that cannot be, old is
// cleared away, and whoever connects is refused for a moment.
func (s *Supervisor) makeRoom(ctx context.Context, dump *nginxctl.Dump, old []nginxctl.Process, over *predecessor) (left []nginxctl.Process, err error) {
	spared := over != nil && over.spared
	if s.custody != nil {
		blocked, err := s.custody.Gather(ctx, dump, old)
		if err != nil || len(blocked) == 0 {
			return old, err
		}
		if spared {
			return nil, fmt.Errorf("connections to %v would be refused for a moment, since the kernel does not hand over these sockets (a container needs CAP_SYS_PTRACE for it): restart ngha instead", blocked)
		}
		s.log.Warn("connections are refused for a moment: the kernel does not hand over these sockets", "listen", blocked)
	} else if spared {
		return nil, errors.New("connections would be refused for a moment, since nginx's wrapper does not let it inherit sockets: restart ngha instead")
	}
	draining, err := nginxctl.Clear(ctx, old)
	s.drain(draining)
	if err == nil && s.custody == nil {
		err = dump.ClearSockets()
	}
	return nil, err
}

// drain lets processes of an earlier master finish what they serve.
func (s *Supervisor) drain(procs []nginxctl.Process) {
	if len(procs) == 0 {
		return
	}
	forget := s.retired.add(procs, s.snapshot.Load().nginx.Generation)
	s.own.Go(func() {
		defer forget()
		if err := nginxctl.Drain(s.draining, procs, drainLimit); err != nil {
			s.log.Warn("old workers not ended", "err", err)
		}
	})
}

// retirees are processes of earlier masters which finish what they serve.
type retirees struct {
	mu   sync.Mutex // guards the list
	list []*retiree
}

type retiree struct {
	procs      []nginxctl.Process
	generation uint64 // that served when they were retired
	since      time.Time
}

// add adds procs until forget is called.
func (r *retirees) add(procs []nginxctl.Process, generation uint64) (forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &retiree{procs, generation, time.Now()}
	r.list = append(r.list, one)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = slices.DeleteFunc(r.list, func(o *retiree) bool { return o == one })
	}
}

func (r *retirees) all() []*retiree {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// sessions are those of the ones that live.
func (r *retirees) sessions() (list []int) {
	for _, one := range r.all() {
		for _, p := range nginxctl.Living(one.procs) {
			list = append(list, p.Session)
		}
	}
	return list
}

// lingering counts those that live.
func (r *retirees) lingering() []status.Lingering {
	var all []status.Lingering
	for _, one := range r.all() {
		if n := len(nginxctl.Living(one.procs)); n > 0 {
			all = append(all, status.Lingering{Generation: one.generation, Workers: n, Since: one.since})
		}
	}
	return all
}

// rememberRetired leaves it to the next ngha to see to the end of those that still
// finish what they serve.
func (s *Supervisor) rememberRetired() {
	list, err := s.sessions.read()
	if err != nil {
		s.log.Warn("nginx's sessions not read", "err", err)
		return
	}
	known := len(list)
	for _, session := range s.retired.sessions() {
		if !slices.Contains(list, session) {
			list = append(list, session)
		}
	}
	if len(list) > known {
		s.remember(list...)
	}
}

func (s *Supervisor) remember(sessions ...int) {
	if err := s.sessions.write(sessions...); err != nil {
		s.log.Warn("nginx's session not recorded: it would not be recognised after a crash of ngha", "err", err)
	}
}
