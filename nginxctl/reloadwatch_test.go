package nginxctl

import (
	"testing"
	"time"
)

// child is a worker by its process id and its start, since boot.
func child(pid int, born time.Duration, leaving bool) Process {
	p := Process{PID: pid, StartTime: uint64(born / clockTick), Title: "nginx: worker process"}
	if leaving {
		p.Title += " is shutting down"
	}
	return p
}

func TestReloadVerdicts(t *testing.T) {
	const ms = time.Millisecond
	const hour = time.Hour // since boot, when HUP was sent
	old := []Process{child(1, hour-time.Minute, false), child(2, hour-time.Minute, false)}
	leaving := child(1, hour-time.Minute, true)
	fresh := child(3, hour+20*ms, false)
	for _, c := range []struct {
		name    string
		samples []sample
		want    verdict
	}{
		{"idle once is not enough", []sample{{hour + 5*ms, true, old}}, running},
		{"idle with the same children", []sample{{hour, false, old}, {hour + 5*ms, true, old}, {hour + 8*ms, true, old}}, rejected},
		{"never seen busy, the same children", []sample{{hour + 5*ms, true, old}, {hour + 8*ms, true, old}}, rejected},
		{"busy for long", []sample{{hour, false, old}, {hour + 40*time.Second, false, old}}, running},
		{"new workers, old ones gone", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, []Process{fresh}}, {hour + 124*ms, true, []Process{fresh}}}, applied},
		{"new workers, an old one leaving", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, []Process{leaving, fresh}}, {hour + 124*ms, true, []Process{leaving, fresh}}}, applied},
		{"new workers, an old one not told yet", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, append(old, fresh)}, {hour + 124*ms, true, append(old, fresh)}}, running},
		{"new workers, an old one stuck", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, append(old, fresh)}, {hour + 3*time.Second, true, append(old, fresh)}}, applied},
		{"respawned after a crash", []sample{{hour + 20*ms, false, old}, {hour + 25*ms, true, []Process{fresh}}, {hour + 28*ms, true, []Process{fresh}}}, rejected},
		{"respawned while idle", []sample{{hour + 5*ms, true, old}, {hour + 30*ms, true, []Process{old[0], fresh}}}, rejected},
		{"new workers, and one of them crashed", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, []Process{fresh, child(4, hour+120*ms, false)}}, {hour + 124*ms, true, []Process{fresh, child(4, hour+120*ms, false)}}}, applied},
		{"not looked at in time", []sample{{hour + 3*ms, false, old}, {hour + 900*ms, true, []Process{fresh}}, {hour + 903*ms, true, []Process{fresh}}}, doubtful},
		{"never looked at in time", []sample{{hour + 900*ms, true, []Process{fresh}}, {hour + 903*ms, true, []Process{fresh}}}, doubtful},
		{"new children that are no workers yet", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, []Process{{PID: 3, StartTime: fresh.StartTime, Title: "nginx: master process"}}}, {hour + 124*ms, true, []Process{{PID: 3, StartTime: fresh.StartTime, Title: "nginx: master process"}}}}, running},
		{"a process id used again", []sample{{hour + 118*ms, false, old}, {hour + 121*ms, true, []Process{child(1, hour+20*ms, false)}}, {hour + 124*ms, true, []Process{child(1, hour+20*ms, false)}}}, applied},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := reloadWatch{old: old}
			var got verdict
			for _, s := range c.samples {
				got = w.observe(s)
			}
			if got != c.want {
				t.Errorf("verdict %d after %+v, want %d", got, c.samples, c.want)
			}
		})
	}
}
