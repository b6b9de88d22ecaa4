package nginxctl

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A play of crew's: what a look found, and the crew after it.
type crewLook struct {
	after    time.Duration // since the first look
	children []Process
	want     Crew
}

func TestCrewTellsCrashesFromReloads(t *testing.T) {
	const ms = time.Millisecond
	const hour = time.Hour // since boot, when the master was ready
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	born := func(pid int, after time.Duration) Process { return child(pid, hour+after, false) }
	leaving := func(p Process) Process { return child(p.PID, time.Duration(p.StartTime)*clockTick, true) }
	untitled := func(pid int, after time.Duration, title string) Process {
		p := born(pid, after)
		p.Title = title
		return p
	}
	a, b := born(1, 0), born(2, 0)
	serving := Crew{Loads: 1, Workers: 2}
	crashed := func(n int) Crew { return Crew{Loads: 1, Workers: 2, Crashes: n} }
	lingering := func(c Crew, load, workers int, after time.Duration) Crew {
		c.Lingering = append(c.Lingering, Cohort{load, workers, epoch.Add(after)})
		return c
	}
	const (
		master = "nginx: master process nginx"
		cache  = "nginx: cache manager process"
	)
	for _, c := range []struct {
		name  string
		begin []Process
		looks []crewLook
	}{
		{"nothing happens", []Process{a, b}, []crewLook{{time.Second, []Process{a, b}, serving}}},
		{"a worker is replaced at once", []Process{a, b}, []crewLook{
			{time.Second, []Process{b, born(3, time.Second)}, crashed(1)},
			{2 * time.Second, []Process{b, born(3, time.Second)}, crashed(1)},
		}},
		{"a worker is replaced a moment later", []Process{a, b}, []crewLook{
			{time.Second, []Process{b}, Crew{Loads: 1, Workers: 1, Missing: 1, Crashes: 1}},
			{time.Second + 20*ms, []Process{b, born(3, time.Second+5*ms)}, crashed(1)},
		}},
		{"all workers are replaced at once", []Process{a, b}, []crewLook{
			{time.Second, []Process{born(3, time.Second-5*ms), born(4, time.Second)}, crashed(2)},
		}},
		{"a worker is not replaced", []Process{a, b}, []crewLook{
			{time.Second, []Process{b}, Crew{Loads: 1, Workers: 1, Missing: 1, Crashes: 1}},
			{9 * time.Second, []Process{b}, Crew{Loads: 1, Workers: 1, Missing: 1, Crashes: 1}},
		}},
		{"a process id is used again", []Process{a, b}, []crewLook{
			{time.Second, []Process{born(1, time.Second), b}, crashed(1)},
		}},
		{"a reload whose old workers are idle", []Process{a, b}, []crewLook{
			{time.Second, []Process{a, b, born(3, time.Second), born(4, time.Second)}, serving},
			{time.Second + 105*ms, []Process{born(3, time.Second), born(4, time.Second)}, Crew{Loads: 2, Workers: 2}},
		}},
		{"a reload of which one old worker has not heard", []Process{a, b}, []crewLook{
			{1105 * ms, []Process{a, born(3, time.Second), born(4, time.Second)}, lingering(Crew{Loads: 2, Workers: 2}, 1, 1, 1105*ms)},
			{2000 * ms, []Process{born(3, time.Second), born(4, time.Second)}, Crew{Loads: 2, Workers: 2}},
		}},
		{"a reload of one worker", []Process{a}, []crewLook{
			{1105 * ms, []Process{born(3, time.Second)}, Crew{Loads: 2, Workers: 1}},
		}},
		{"a reload whose old workers serve on", []Process{a, b}, []crewLook{
			{3 * time.Second, []Process{leaving(a), leaving(b), born(3, time.Second)}, lingering(Crew{Loads: 2, Workers: 1}, 1, 2, 3*time.Second)},
			{4 * time.Second, []Process{leaving(a), born(3, time.Second)}, lingering(Crew{Loads: 2, Workers: 1}, 1, 1, 3*time.Second)},
			{9 * time.Second, []Process{leaving(a), leaving(born(3, time.Second)), born(5, 8*time.Second)},
				lingering(lingering(Crew{Loads: 3, Workers: 1}, 1, 1, 3*time.Second), 2, 1, 9*time.Second)},
			{12 * time.Second, []Process{born(5, 8*time.Second)}, Crew{Loads: 3, Workers: 1}},
		}},
		{"a crash while an old load lingers", []Process{a}, []crewLook{
			{time.Second, []Process{leaving(a), born(3, 800*ms)}, lingering(Crew{Loads: 2, Workers: 1}, 1, 1, time.Second)},
			{2 * time.Second, []Process{leaving(a), born(4, 2*time.Second)}, lingering(Crew{Loads: 2, Workers: 1, Crashes: 1}, 1, 1, time.Second)},
		}},
		{"an end from outside", []Process{a, b}, []crewLook{
			{time.Second, []Process{leaving(a), leaving(b)}, lingering(Crew{Loads: 1}, 1, 2, time.Second)},
			{2 * time.Second, nil, Crew{Loads: 1}},
		}},
		{"workers told to end, and a reload after that", []Process{a}, []crewLook{
			{time.Second, []Process{leaving(a)}, lingering(Crew{Loads: 1}, 1, 1, time.Second)},
			{2 * time.Second, []Process{born(3, 2*time.Second)}, Crew{Loads: 1}},
			{2100 * ms, []Process{born(3, 2*time.Second), born(4, 2*time.Second)}, Crew{Loads: 2, Workers: 2}},
		}},
		{"children that take their titles late", []Process{a, untitled(2, 0, "nginx:"), untitled(3, 0, master)}, []crewLook{
			{ms, []Process{a, b, untitled(3, 0, cache)}, serving},
			{time.Second, []Process{a, b, untitled(3, 0, cache)}, serving},
			{time.Minute, []Process{a, b}, serving},
		}},
		{"other children come and go", []Process{a, b}, []crewLook{
			{time.Second, []Process{a, b, untitled(3, 0, cache)}, serving},
			{time.Second, []Process{a, b}, serving},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tally := newCrew(c.begin)
			for i, l := range c.looks {
				tally.observe(l.children, doorsUnseen, hour+l.after, epoch.Add(l.after))
				if diff := cmp.Diff(l.want, tally.report()); diff != "" {
					t.Fatalf("after look %d, %v (-want +got):\n%s", i+1, l.children, diff)
				}
			}
		})
	}
}

func TestCrewTellsAnEndFromWorkersThatGiveUp(t *testing.T) {
	type look struct {
		doors    doors
		children []Process
		want     Crew // but for Since
	}
	const at = time.Hour // since boot, when the master was ready
	a, b := child(1, at, false), child(2, at, false)
	leavingA, leavingB := child(1, at, true), child(2, at, true)
	c, d, e := child(3, at+time.Minute, false), child(4, at+time.Minute, false), child(5, at+time.Minute, false)
	lingering := func(workers ...int) (list []Cohort) {
		for _, n := range workers {
			list = append(list, Cohort{Load: 1, Workers: n})
		}
		return list
	}
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"an end", []look{
			{doorsClosed, []Process{leavingA, leavingB}, Crew{Loads: 1, Lingering: lingering(2)}},
			{doorsClosed, nil, Crew{Loads: 1}},
		}},
		{"an end with nothing to serve", []look{
			{doorsClosed, []Process{b}, Crew{Loads: 1, Workers: 1}},
			{doorsClosed, nil, Crew{Loads: 1}},
		}},
		{"an end of which the workers have heard before the doors close", []look{
			{doorsOpen, []Process{leavingA, leavingB}, Crew{Loads: 1, Missing: 2, Lingering: lingering(2)}},
			{doorsClosed, []Process{leavingA, leavingB}, Crew{Loads: 1, Lingering: lingering(2)}},
		}},
		{"a load that gives up, and one that stays", []look{
			{doorsOpen, []Process{leavingA, b}, Crew{Loads: 1, Workers: 1, Lingering: lingering(1)}},
			{doorsOpen, []Process{leavingA, leavingB}, Crew{Loads: 1, Missing: 2, Lingering: lingering(2)}},
			{doorsOpen, []Process{leavingB}, Crew{Loads: 1, Missing: 2, Lingering: lingering(1)}},
			{doorsOpen, []Process{leavingB, c, d, e}, Crew{Loads: 2, Workers: 3, Lingering: lingering(1)}},
		}},
		{"a worker that somebody told to quit", []look{
			{doorsOpen, []Process{leavingA, b}, Crew{Loads: 1, Workers: 1, Lingering: lingering(1)}},
			{doorsOpen, []Process{b, c}, Crew{Loads: 1, Workers: 2}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tally := newCrew([]Process{a, b})
			for i, l := range c.looks {
				tally.observe(l.children, l.doors, 2*at, time.Time{})
				if diff := cmp.Diff(l.want, tally.report()); diff != "" {
					t.Fatalf("after look %d, %v (-want +got):\n%s", i+1, l.children, diff)
				}
			}
		})
	}
}

func TestCrewAfterAReloadOfOurOwn(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	old := []Process{child(1, time.Hour, false), child(2, time.Hour, false)}
	c := newCrew(old)
	// One of the old ones has ended already; one that is new has no title yet.
	fresh := child(4, 2*time.Hour, false)
	fresh.Title = "nginx: master process nginx"
	c.reloaded([]Process{child(2, time.Hour, true), child(3, 2*time.Hour, false), fresh}, at)
	want := Crew{Loads: 2, Workers: 2, Lingering: []Cohort{{1, 1, at}}}
	if diff := cmp.Diff(want, c.report()); diff != "" {
		t.Errorf("crew (-want +got):\n%s", diff)
	}
}

func TestCrashIsExplainedInNginxsWords(t *testing.T) {
	log := `2030/01/01 06:00:00 [alert] 7#7: worker process 10 exited on signal 9
2030/01/01 06:00:00 [notice] 7#7: signal 17 (SIGCHLD) received from 11
2030/01/01 06:00:00 [alert] 7#7: worker process 11 exited on signal 11 (core dumped)
2030/01/01 06:00:01 [notice] 7#7: worker process 12 exited with code 0
2030/01/01 06:00:02 [emerg] 7#7: bind() to 0.0.0.0:80 failed (98: Address already in use)
`
	want := "[alert] worker process 11 exited on signal 11 (core dumped)"
	if got := lastCrash(log); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := lastCrash("nginx: [emerg] something else\n"); got != "" {
		t.Errorf("where there is none: %q", got)
	}
}
