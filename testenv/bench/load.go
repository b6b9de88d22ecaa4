package main

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// own is the first node's own address, for rows of a single node.
const own = "198.51.100.1"

// busy is the load under which nginx is killed and reloaded.
var busy = testenv.Clients{New: 500, KeepAlive: 10, Think: 20 * time.Millisecond, Downloads: 5}

// none asked for is a goal.
var zero = &goal{0, "none"}

// byHand keeps ngha from reloading by itself.
const byHand = "nginx: {reload: manual}\n"

// loadRows lists what is measured under load, and what it costs.
func loadRows() []row {
	alone := []product{ngha{}}
	idle := []figure{{"of one processor", inPercent, nil}}
	return []row{
		{name: "nginx's master killed, under load", interval: time.Second, run: killMaster, figures: []figure{
			{"failed requests", inCount, zero},
			{"refused", inCount, zero},
			{"longest answer", inSeconds, nil},
			{"until a master runs again", inSeconds, nil},
		}},
		{name: "nginx killed, master and workers, under load", interval: time.Second, run: killNginx, figures: []figure{
			{"outage", inSeconds, nil},
			{"failed with their workers", inCount, nil},
			{"new connections failed, begun afterwards", inCount, zero},
			{"requests on kept ones failed, begun afterwards", inCount, zero},
			{"connections begun while nobody answers", inCount, nil},
			{"of these, answered", inCount, nil},
			{"longest answer", inSeconds, nil},
		}},
		{name: "200 reloads under load", interval: time.Second, run: reloadOften, config: byHand, figures: []figure{
			{"failed requests", inCount, zero},
			{"asked again on kept connections", inCount, nil},
			{"of so many requests on them", inCount, nil},
			{"VRRP events", inCount, zero},
			{"not applied", inCount, zero},
			{"time of a reload, median", inSeconds, nil},
			{"time of a reload, longest", inSeconds, nil},
		}},
		{name: "10,000 calls for a reload, by 50 clients", interval: time.Second, run: storm, config: byHand, products: alone, figures: []figure{
			{"untrue answers", inCount, zero},
			{"applied", inCount, nil},
			{"refused, rightly", inCount, nil},
			{"generations", inCount, nil},
			{"time", inSeconds, nil},
			{"descriptors left", inCount, zero},
			{"goroutines left", inCount, zero},
			{"memory after 500 calls", inMiB, nil},
			{"memory at the end", inMiB, nil},
		}},
		{name: "10,000 orphans under ngha as process 1", interval: time.Second, run: bury, single: true, first: true, products: alone,
			config: byHand + `checks:
  - {name: one, exec: [/bin/true], interval: 20ms, timeout: 20s, rise: 1, fall: 1}
  - {name: other, exec: [/bin/true], interval: 20ms, timeout: 20s, rise: 1, fall: 1}
`, figures: []figure{
				{"zombies left", inCount, zero},
				{"wrong exit statuses of its own children", inCount, zero},
				{"reloads meanwhile", inCount, nil},
				{"time", inSeconds, nil},
			}},
		{name: "saturating load on 32 kept connections", interval: time.Second, run: saturate, single: true,
			products: []product{ngha{}, nginx{}}, paired: 3, figures: []figure{
				{"requests a second", inCount, nil},
				{"answer, median", inSeconds, nil},
				{"answer, 99 %", inSeconds, nil},
				{"ngha, of one processor", inPercent, nil},
			}},
		{name: "idle", interval: time.Second, run: rest, single: true, figures: idle},
		{name: "idle, nginx asked once a second", interval: time.Second, run: rest, single: true, figures: idle, config: "health: {interval: 1s}\n"},
	}
}

// load begins to ask for the virtual address, and returns when all are at it.
func (p *pair) load(c testenv.Clients) *testenv.Load {
	l := p.client.StartLoad("http://"+vip+"/", c)
	l.Await(50)
	p.atRandom()
	return l
}

// ended ends a load and logs what it saw.
func (p *pair) ended(l *testenv.Load) testenv.LoadResult {
	r := l.Stop()
	p.tb.Logf("%v", r)
	return r
}

// slowest is the answer that was waited for longest, downloads left out.
func slowest(r testenv.LoadResult) value {
	return seconds(max(r.New.Slowest(), r.KeepAlive.Slowest()))
}

func refused(r testenv.Result) value { return count(r.Failures()["refused"]) }

func killMaster(p *pair) []value {
	load := p.load(busy)
	master := p.first.daemon.nginxMaster()
	at := p.harm(func() { p.signal(master, unix.SIGKILL) })
	back := p.until(at, func() bool {
		now := p.first.daemon.nginxMaster()
		return len(now) > 0 && !slices.Equal(now, master)
	})
	p.pause(aftermath - time.Since(at))
	r := p.ended(load)
	all := r.All()
	return []value{count(all.Failed()), refused(all), slowest(r), back}
}

func killNginx(p *pair) []value {
	load := p.load(busy)
	victims := p.first.daemon.nginx()
	at := p.harm(func() { p.signal(victims, unix.SIGKILL) })
	p.look(time.Millisecond, func() bool { return len(victims.Living()) == 0 })
	dead := time.Now()
	p.pause(aftermath)
	r := p.ended(load)
	all := r.All()
	begunAfter := func(s testenv.Sample) bool { return s.Started.After(dead) }
	before := all.Failed() - all.Where(begunAfter).Failed()
	waiting := begunInSilence(r.New, dead)
	outage, _ := longest(r.New, at)
	return []value{
		outage, count(before), count(r.New.Where(begunAfter).Failed()), count(r.KeepAlive.Where(begunAfter).Failed()),
		count(len(waiting.Samples)), count(len(waiting.Samples) - waiting.Failed()), slowest(r),
	}
}

// begunInSilence are the attempts that were begun after the instant and before
// the next good answer.
func begunInSilence(r testenv.Result, from time.Time) testenv.Result {
	until := r.Stopped
	for _, s := range r.Samples {
		if s.Failure == "" && s.Ended.After(from) {
			until = s.Ended // the first one: they are in this order
			break
		}
	}
	return r.Where(func(s testenv.Sample) bool { return s.Started.After(from) && s.Started.Before(until) })
}

func reloadOften(p *pair) []value {
	const reloads = 200
	clients := busy
	clients.Downloads = 0 // ngha waits when old workers are busy with too many of them
	load := p.load(clients)
	began := time.Now()
	var took []time.Duration
	failed := 0
	for range reloads {
		at := time.Now()
		err := p.first.daemon.reload()
		took = append(took, time.Since(at))
		if err != nil {
			failed++
			p.tb.Logf("reload: %v", err)
		}
		if _, proven := p.first.daemon.(nghaNode); !proven {
			p.pause(120 * time.Millisecond) // until the old workers have been told to end
		}
	}
	r := p.ended(load)
	events := p.capture.Frames().Where(testenv.After(began), testenv.IsAdvert(vrid), func(f testenv.Frame) bool {
		return testenv.From(p.second.link)(f) || f.Advert.Priority == 0
	})
	slices.Sort(took)
	median, most := seconds(took[reloads/2]), seconds(took[reloads-1])
	if _, proven := p.first.daemon.(nghaNode); !proven {
		median, most = none(), none()
	}
	return []value{
		count(r.All().Failed()), count(r.Retried()), count(len(r.KeepAlive.Samples)),
		count(len(events)), count(failed), median, most,
	}
}

// node returns the first node, which is ngha's.
func (p *pair) node() *testenv.Node { return p.first.daemon.(nghaNode).Node }

func (p *pair) usage() testenv.Usage {
	u, err := p.node().Usage()
	if err != nil {
		p.tb.Fatalf("%v", err)
	}
	return u
}

func storm(p *pair) []value {
	clients := testenv.ReloadStorm{Calls: 500, Clients: 50, Programs: 20}
	if first := p.node().StormReloads(clients); len(first.Untrue) > 0 {
		p.tb.Fatalf("untrue answers: %v", first.Untrue)
	}
	before := p.usage()
	clients.Calls, clients.Programs = 10_000, 200
	truth := p.node().StormReloads(clients)
	for _, u := range truth.Untrue {
		p.tb.Logf("untrue: %s", u)
	}
	var after testenv.Usage
	p.look(100*time.Millisecond, func() bool {
		after = p.usage()
		return after.Descriptors <= before.Descriptors && after.Goroutines <= before.Goroutines
	})
	p.tb.Logf("before %+v, after %+v", before, after)
	return []value{
		count(len(truth.Untrue)), count(truth.Applied), count(truth.Refused), count(int(truth.Generations)), seconds(truth.Took),
		count(after.Descriptors - before.Descriptors), count(after.Goroutines - before.Goroutines),
		mebibytes(before.Resident), mebibytes(after.Resident),
	}
}

func mebibytes(bytes int64) value { return value{amount: float64(bytes) / (1 << 20)} }

// bury leaves ngha orphans while it has children of its own all the time: two
// checks, and nginx's tests at each reload.
func bury(p *pair) []value {
	const orphans, sources = 10_000, 2
	n := p.node()
	born := make(chan error, sources)
	began := time.Now()
	for range sources {
		go func() { born <- n.Orphan(orphans / sources) }()
	}
	wrong, reloads := 0, 0
	for left := sources; left > 0; {
		if err := p.first.daemon.reload(); err != nil {
			p.tb.Logf("reload: %v", err)
			wrong++
		}
		reloads++
		select {
		case err := <-born:
			if err != nil {
				p.tb.Fatalf("%v", err)
			}
			left--
		default:
		}
	}
	took := time.Since(began)
	var zombies testenv.PIDs
	p.look(10*time.Millisecond, func() bool {
		var err error
		if zombies, err = n.Zombies(); err != nil {
			p.tb.Fatalf("%v", err)
		}
		return len(zombies) == 0
	})
	status, err := n.Status()
	if err != nil {
		p.tb.Fatalf("%v", err)
	}
	wrong += int(status.VirtualRouters[0].Counters.LeftActive) // a check failed
	return []value{count(len(zombies)), count(wrong), count(reloads), seconds(took)}
}

// saturate has 32 clients ask the node's own address, each as soon as it has its
// answer.
func saturate(p *pair) []value {
	const warmUp, measured = time.Second, 5 * time.Second
	load := p.client.StartLoad("http://"+own+"/", testenv.Clients{KeepAlive: 32})
	load.Await(100)
	p.pause(warmUp)
	began, spent := time.Now(), p.spent()
	p.pause(measured)
	share := p.share(spent, began)
	ended := time.Now()
	r := load.Stop()
	if failed := r.KeepAlive.Failed(); failed > 0 {
		p.tb.Fatalf("%d requests failed: %v", failed, r)
	}
	seen := r.KeepAlive.Where(func(s testenv.Sample) bool { return s.Ended.After(began) && s.Ended.Before(ended) })
	rate := float64(len(seen.Samples)) / ended.Sub(began).Seconds()
	return []value{{amount: rate}, seconds(seen.Percentile(50)), seconds(seen.Percentile(99)), share}
}

func rest(p *pair) []value {
	const settled, measured = 3 * time.Second, 30 * time.Second
	p.pause(settled)
	began, spent := time.Now(), p.spent()
	p.pause(measured)
	return []value{p.share(spent, began)}
}

// spent is the processor time that the first node's daemon has had.
func (p *pair) spent() time.Duration {
	t, err := p.first.daemon.processes().CPU()
	if err != nil {
		p.tb.Fatalf("%v", err)
	}
	return t
}

// share is how much of one processor the daemon has had since it had spent so
// much.
func (p *pair) share(spent time.Duration, since time.Time) value {
	if len(p.first.daemon.processes()) == 0 {
		return none()
	}
	return value{amount: 100 * float64(p.spent()-spent) / float64(time.Since(since))}
}
