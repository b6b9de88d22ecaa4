package main

import (
	"os/exec"
	"runtime"
	"time"

	"ngha/testenv"
)

// soak is how long a row without an end of its own goes on.
const soak = 20 * time.Second

// soakRows list what must go on well for as long as one looks.
func soakRows() []row {
	figures := []figure{
		{"changes of state", inCount, zero},
		{"longest time between two advertisements", inSeconds, nil},
		{"advertisements", inCount, nil},
	}
	const tiny = 10 * time.Millisecond
	return []row{
		{name: "all processors busy, interval 10 ms", interval: tiny, run: overload, lasts: soak, figures: figures},
		{name: "all processors busy, interval 10 ms, real-time", interval: tiny, run: overload, lasts: soak, figures: figures,
			config: "realtime: true\n", global: "\n\tvrrp_rt_priority 5\n\tvrrp_no_swap"},
	}
}

// overload keeps every processor busy with four programs each.
func overload(p *pair) []value {
	hogs := p.lab.Host("hogs")
	for range 4 * runtime.NumCPU() {
		hogs.Start(exec.Command("sh", "-c", "while :; do :; done"))
	}
	began := time.Now()
	p.pause(p.row.lasts)
	frames := p.capture.Frames().Where(testenv.After(began), testenv.IsAdvert(vrid))
	changes, longest := 0, time.Duration(0)
	for i := 1; i < len(frames); i++ {
		longest = max(longest, frames[i].At.Sub(frames[i-1].At))
		if frames[i].Src.String() != frames[i-1].Src.String() {
			changes++
		}
	}
	return []value{count(changes), seconds(longest), count(len(frames))}
}
