package vrrptest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ngha/vrrp"
)

// Script runs a scenario and returns its transcript: the commands, and under
// each what the nodes did, but for what an undisturbed node does all the time.
// Time in it counts from the beginning. The error is nil when every want held.
//
//	node NAME [priority=N] [interval=D] [version=N] [failback=now|never|D]
//	          [standing=S] [lan=NAME]
//	                         adds a node and starts it
//	group NAME ...             makes nodes, started anew, a group with the first
//	                           one as its leader
//	run D                      lets time pass
//	want NAME=STATE ...        demands states; STATE is initialize, backup,
//	                           active, or none for a node that does not run
//	holds [NAME ...]           demands that these nodes hold the address
//	ill|healthy|pending|out NAME   tells a node its health; ill is last resort
//	pause NAME, resume NAME    freezes its process and lets it go on
//	suspend NAME D             lets its machine sleep
//	crash NAME, start NAME     kills its process and starts a new one
//	stop NAME                  asks it to end
//	unplug NAME, plug NAME     takes its carrier away and gives it back
//	cut A B, heal A B          both ways; cut A>B one way; heal alone: all
//	mute NAME, unmute NAME     nothing it sends leaves
//	bar NAME, unbar NAME       its address cannot be installed
//	steal NAME                 removes its address
//	# ...                      a comment, which is part of the transcript
func Script(text string) (transcript string, err error) {
	s := &script{world: newWorld(nil)}
	s.world.watch = append(s.world.watch, s.observe)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if err := s.line(strings.TrimSpace(line)); err != nil {
			return s.out.String(), errors.Join(append(s.wrong, fmt.Errorf("line %d: %q: %w", i+1, line, err))...)
		}
	}
	return s.out.String(), errors.Join(s.wrong...)
}

// script is a running Script.
type script struct {
	world *world
	out   strings.Builder
	wrong []error // wants that did not hold
}

// commands are the verbs that take one node.
var commands = map[string]func(*world, *node) error{
	"ill":     func(_ *world, n *node) error { n.stand(vrrp.LastResort); return nil },
	"healthy": func(_ *world, n *node) error { n.stand(vrrp.Healthy); return nil },
	"pending": func(_ *world, n *node) error { n.stand(vrrp.Pending); return nil },
	"out":     func(_ *world, n *node) error { n.stand(vrrp.Out); return nil },
	"pause":   func(_ *world, n *node) error { n.freeze(); return nil },
	"resume":  func(_ *world, n *node) error { n.thaw(true); return nil },
	"crash":   func(_ *world, n *node) error { n.crash(); return nil },
	"start":   func(_ *world, n *node) error { return n.start() },
	"stop":    func(_ *world, n *node) error { n.happen(vrrp.Shutdown{}); return nil },
	"mute":    func(_ *world, n *node) error { n.mute = true; return nil },
	"unmute":  func(_ *world, n *node) error { n.mute = false; return nil },
	"bar":     func(_ *world, n *node) error { n.barred = true; return nil },
	"unbar":   func(_ *world, n *node) error { n.barred = false; return nil },
	"steal":   func(_ *world, n *node) error { n.remove(); return nil },
	"unplug": func(w *world, n *node) error {
		for _, o := range w.nodes {
			w.cutBoth(n, o)
		}
		n.happen(vrrp.Fault{Reason: "no carrier"})
		return nil
	},
	"plug": func(w *world, n *node) error {
		for _, o := range w.nodes {
			w.healBoth(n, o)
		}
		n.happen(vrrp.Startup{Source: n.addr})
		return nil
	},
}

// line carries out one line.
func (s *script) line(line string) error {
	fmt.Fprintln(&s.out, line)
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(line, "#") {
		return nil
	}
	verb, args := words[0], words[1:]
	switch verb {
	case "node":
		return s.addNode(args)
	case "run":
		return s.run(args)
	case "want":
		return s.want(args)
	case "holds":
		return s.holds(args)
	case "cut":
		return s.cut(args)
	case "heal":
		return s.heal(args)
	case "suspend":
		return s.suspend(args)
	case "group":
		return s.group(args)
	}
	command, ok := commands[verb]
	if !ok {
		return errors.New("unknown command")
	}
	nodes, err := s.named(args, 1)
	if err != nil {
		return err
	}
	return command(s.world, nodes[0])
}

// observe writes what a node did.
func (s *script) observe(st *step) {
	if !st.routine() {
		fmt.Fprintf(&s.out, "%11s %s: %s\n", s.world.now.Sub(epoch).Round(time.Millisecond), st.node.name, st.describe())
	}
}

// named returns the nodes called names, which must be n.
func (s *script) named(names []string, n int) ([]*node, error) {
	if len(names) != n {
		return nil, fmt.Errorf("wants %d names, has %d", n, len(names))
	}
	var nodes []*node
	for _, name := range names {
		n, err := s.world.node(name)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (s *script) addNode(args []string) error {
	if len(args) == 0 {
		return errors.New("wants a name")
	}
	n := s.world.add(args[0], vrrp.Config{VRID: 7})
	n.cfg.Addrs = append(n.cfg.Addrs, virtual)
	n.tardy = 20 * time.Millisecond
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		if err := s.set(n, key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return n.start()
}

// set sets one option of a node.
func (s *script) set(n *node, key, value string) (err error) {
	var number uint64
	switch key {
	case "lan":
		n.lan = value
	case "priority":
		number, err = strconv.ParseUint(value, 10, 8)
		n.cfg.Priority = uint8(number)
	case "version":
		number, err = strconv.ParseUint(value, 10, 8)
		n.cfg.Version = vrrp.Version(number)
	case "interval":
		n.cfg.Interval, err = time.ParseDuration(value)
	case "failback":
		switch value {
		case "now":
		case "never":
			n.cfg.Failback.Never = true
		default:
			n.cfg.Failback.After, err = time.ParseDuration(value)
		}
	case "standing":
		all := []vrrp.Standing{vrrp.Healthy, vrrp.Pending, vrrp.LastResort, vrrp.Out}
		i := slices.IndexFunc(all, func(s vrrp.Standing) bool { return strings.ReplaceAll(s.String(), " ", "-") == value })
		if i < 0 {
			return fmt.Errorf("unknown standing %q", value)
		}
		n.standing = all[i]
	default:
		err = errors.New("unknown option")
	}
	return err
}

// group makes nodes a group, all of them started at the same instant.
func (s *script) group(args []string) error {
	nodes, err := s.named(args, len(args))
	if err != nil {
		return err
	}
	bind("g", nodes...)
	for _, n := range nodes {
		n.crash()
	}
	for _, n := range nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) run(args []string) error {
	if len(args) != 1 {
		return errors.New("wants a duration")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	s.world.run(d)
	return nil
}

func (s *script) want(args []string) error {
	for _, arg := range args {
		name, want, _ := strings.Cut(arg, "=")
		n, err := s.world.node(name)
		if err != nil {
			return err
		}
		got := "none"
		if n.m != nil {
			got = n.m.Status().State.String()
		}
		if got != want {
			s.fail("%s is %s, want %s", name, got, want)
		}
	}
	return nil
}

func (s *script) holds(want []string) error {
	var got []string
	for _, n := range s.world.nodes {
		if n.holds {
			got = append(got, n.name)
		}
	}
	if !slices.Equal(got, want) {
		s.fail("the address is held by %q, want %q", got, want)
	}
	return nil
}

// fail notes that something wanted is not so.
func (s *script) fail(format string, args ...any) {
	err := fmt.Errorf("after %s: %s", s.world.now.Sub(epoch), fmt.Sprintf(format, args...))
	s.wrong = append(s.wrong, err)
	fmt.Fprintf(&s.out, "WRONG: %v\n", err)
}

func (s *script) cut(args []string) error {
	if len(args) == 1 {
		from, to, _ := strings.Cut(args[0], ">")
		nodes, err := s.named([]string{from, to}, 2)
		if err != nil {
			return err
		}
		s.world.cut[direction{nodes[0].addr, nodes[1].addr}] = true
		return nil
	}
	nodes, err := s.named(args, 2)
	if err != nil {
		return err
	}
	s.world.cutBoth(nodes[0], nodes[1])
	return nil
}

func (s *script) heal(args []string) error {
	if len(args) == 0 {
		clear(s.world.cut)
		return nil
	}
	nodes, err := s.named(args, 2)
	if err != nil {
		return err
	}
	s.world.healBoth(nodes[0], nodes[1])
	return nil
}

func (s *script) suspend(args []string) error {
	if len(args) != 2 {
		return errors.New("wants a name and a duration")
	}
	nodes, err := s.named(args[:1], 1)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	nodes[0].suspend(d)
	return nil
}
