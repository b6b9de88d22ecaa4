// Package nginxctl controls one nginx: it tests a configuration, starts the
// master, proves that a reload was applied, reads the status endpoint, ends
// what it started, and clears away what a dead master left behind.
//
//	n := nginxctl.Nginx{Command: []string{"nginx", "-g", "daemon off;"}}
//	if err := n.Test(ctx); err != nil { ... } // *TestError holds nginx's own words
//	m, err := n.Start(ctx)
//	if err := m.Ready(ctx); err != nil { ... } // *ExitError if it ended first
//	defer m.Stop(ctx, nginxctl.StopOptions{Grace: 5 * time.Second})
//
// # The command
//
// Command is run as the user wrote it: nginx with its arguments, or a wrapper
// that ends in `exec nginx ...`, such as an image's entrypoint script. nginx's
// own arguments begin at the first word whose last path element is nginx,
// nginx-debug or openresty. From there on:
//
//   - Test runs the whole command with -t appended, so that a wrapper's
//     preparations (templates, for example) are made and checked.
//   - Dump runs nginx itself, without the wrapper, with -T and -V.
//   - Direct gives the same nginx without its wrapper, for all later tests and
//     restarts: preparations are made once.
//
// A wrapper with no such word hides nginx: Test then does nothing, Dump asks
// plain `nginx`, and the wrapper itself must see to `daemon off`.
//
// nginx must stay in the foreground. A `daemon` directive in -g is taken out,
// and `daemon off;` is put into -g unless the configuration says it already
// (said twice, nginx refuses it as a duplicate). `daemon on` and
// `master_process off` in the configuration are errors.
//
// # Its files
//
// Dump.FileSet lists the files that the configuration is made of, certificates
// and keys included. A Watcher tells when they have changed and settled; a
// LastGood keeps a copy from which nginx starts when they are broken.
//
//	d, err := n.Dump(ctx)
//	set, err := d.FileSet()
//	loaded, err := set.Hash(ctx) // before nginx reads them, so that nothing is missed
//	err = m.Reload(ctx)
//	w.Set(set, loaded)
//	err = kept.Save(ctx, n, set, loaded)
//	changed := <-w.Changes() // w.Run(ctx) runs elsewhere
//
// # Its processes
//
// From Ready on a Master follows its workers. Master.Crew tells how many serve
// the configuration in force, how many crashed and what nginx said of it, how
// often a configuration was loaded, by whoever asked for it, which workers of
// earlier ones linger, and whether the master itself hangs. AwaitRoom bounds how
// many linger.
//
// # Custody
//
// A nginx that dies takes its listening sockets along: until the next one has
// bound them, clients are refused. A Custody holds them beside it. Sockets are
// opened before nginx is, or taken from a living master, and a new master
// inherits them in nginx's own way, by the variable NGINX:
//
//	var custody nginxctl.Custody
//	m, err := n.StartWith(ctx, dump, &custody)
//	...                                                 // m dies; its workers live, or not
//	old, err := nginxctl.Leftovers(m.Session())
//	blocked, err := custody.Gather(ctx, dump, old)      // what old has that we have not
//	m, err = n.StartWith(ctx, dump, &custody)           // beside old, on the same sockets
//	err = m.Ready(ctx)                                  // if not: old goes on serving
//	draining, err := nginxctl.Retire(ctx, old)
//
// The same replaces a master that lives, be it for another binary (ReadyOnTrial
// leaves the old one as it was when the new one proves worse), and succeeds the
// nginx of a predecessor that was killed. Only where something is blocked
// must old be cleared away first: see Clear.
//
// To take a socket needs pidfd_getfd(2), which container engines deny without
// CAP_SYS_PTRACE. Nothing depends on it but sockets that nginx opened itself,
// those of a `listen` added by a reload: see Custody.Uncovered.
//
// # Design
//
// nginx runs in a session of its own. No signal of a terminal reaches it, and
// all its processes, orphans of a dead master too, are recognised by that
// session: see Leftovers. It has no Pdeathsig: an nginx that outlives its
// parent goes on serving, and the next parent takes its place.
//
// It is asked, not believed. A master that takes signals sleeps in
// sigsuspend(2) with an empty mask, and works on a reload with most signals
// blocked; both are to be read in /proc/PID/status. This tells when it is
// ready, and when a reload has ended and how, without guessing at a timeout. A
// SIGHUP that comes before nginx has installed its handlers kills it, which is
// why Reload waits for the same sign first.
//
// Processes that are not our children are signalled through a pidfd only,
// opened before their start time is checked, so that a recycled process id is
// never hit.
package nginxctl
