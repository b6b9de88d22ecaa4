package health

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// step is an event at an instant after epoch, and the state expected after it.
type step struct {
	at   time.Duration
	ev   Event
	want State
}

var (
	errRefused = errors.New("connection refused")
	failed     = ProbeFailed{errRefused}
	died       = MasterDied{errors.New("signal: killed")}
)

const ms = time.Millisecond

// healthy brings a Gate to Healthy within 400ms.
var healthy = []step{
	{0, Tick{}, Starting},
	{100 * ms, MasterStarted{}, Starting},
	{200 * ms, ProbeOK{}, Starting},
	{400 * ms, ProbeOK{}, Healthy},
}

func after(first []step, more ...step) []step { return append(first[:len(first):len(first)], more...) }

func TestGate(t *testing.T) {
	ill := after(healthy, step{1000 * ms, failed, Healthy}, step{1200 * ms, failed, Healthy}, step{1400 * ms, failed, Ill})
	repairing := after(healthy, step{1000 * ms, died, Repairing})

	tests := []struct {
		name   string
		gate   Gate
		steps  []step
		reason string // of the last verdict
		since  time.Duration
	}{
		{
			name: "starts without a verdict", steps: []step{{0, Tick{}, Starting}},
			reason: "nginx is starting",
		}, {
			name: "becomes healthy after Rise answers in a row", steps: healthy,
			reason: "nginx answers", since: 400 * ms,
		}, {
			name: "a failure between answers starts the count anew",
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, failed, Starting},
				{3 * ms, ProbeOK{}, Starting}, {4 * ms, ProbeOK{}, Healthy},
			},
			reason: "nginx answers", since: 4 * ms,
		}, {
			name: "Rise is configurable", gate: Gate{Rise: 1},
			steps:  []step{{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Healthy}},
			reason: "nginx answers", since: 1 * ms,
		}, {
			name: "does not take a predecessor's orphans for its own nginx",
			steps: []step{
				{0, ProbeOK{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{3 * ms, MasterStarted{}, Starting}, {4 * ms, ProbeOK{}, Starting}, {5 * ms, ProbeOK{}, Healthy},
			},
			reason: "nginx answers", since: 5 * ms,
		}, {
			name:   "is ill when the first answer takes too long",
			steps:  []step{{0, Tick{}, Starting}, {9999 * ms, Tick{}, Starting}, {10000 * ms, Tick{}, Ill}},
			reason: "nginx has not answered within 10s", since: 10 * time.Second,
		}, {
			name: "quotes the last error when the first answer takes too long", gate: Gate{Start: time.Second},
			steps:  []step{{0, Tick{}, Starting}, {1 * ms, failed, Starting}, {1000 * ms, Tick{}, Ill}},
			reason: "nginx has not answered within 1s: connection refused", since: time.Second,
		}, {
			name: "quotes no error that an answer has followed", gate: Gate{Start: time.Second},
			steps:  []step{{0, MasterStarted{}, Starting}, {1 * ms, failed, Starting}, {999 * ms, ProbeOK{}, Starting}, {1000 * ms, Tick{}, Ill}},
			reason: "nginx has not answered within 1s", since: time.Second,
		}, {
			name: "an answer that comes with the deadline counts",
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {10000 * ms, ProbeOK{}, Healthy},
			},
			reason: "nginx answers", since: 10 * time.Second,
		}, {
			name: "a master that dies while starting does not prolong the start",
			steps: []step{
				{0, MasterStarted{}, Starting}, {5000 * ms, died, Starting}, {6000 * ms, MasterStarted{}, Starting},
				{9900 * ms, ProbeOK{}, Starting}, {10000 * ms, Tick{}, Ill},
			},
			reason: "nginx has not answered within 10s", since: 10 * time.Second,
		}, {
			name:   "giving up while starting is ill at once",
			steps:  []step{{0, Tick{}, Starting}, {5 * ms, GivenUp{"exit status 1, 5 times within a minute"}, Ill}},
			reason: "exit status 1, 5 times within a minute", since: 5 * ms,
		}, {
			name: "fewer than Fall failures change nothing",
			steps: after(healthy, step{500 * ms, failed, Healthy}, step{600 * ms, failed, Healthy},
				step{700 * ms, ProbeOK{}, Healthy}, step{800 * ms, failed, Healthy}, step{900 * ms, failed, Healthy}),
			reason: "nginx answers", since: 400 * ms,
		}, {
			name: "is ill after Fall failures in a row", steps: ill,
			reason: "nginx does not answer: connection refused", since: 1400 * ms,
		}, {
			name: "Fall is configurable", gate: Gate{Fall: 1},
			steps:  after(healthy, step{500 * ms, ProbeFailed{}, Ill}),
			reason: "nginx does not answer", since: 500 * ms,
		}, {
			name: "recovers after Rise answers in a row",
			steps: after(ill, step{1600 * ms, ProbeOK{}, Ill}, step{1800 * ms, failed, Ill},
				step{2000 * ms, ProbeOK{}, Ill}, step{2200 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 2200 * ms,
		}, {
			name: "keeps the reason for which it became ill",
			steps: after(ill, step{1600 * ms, ProbeFailed{errors.New("another")}, Ill},
				step{1800 * ms, failed, Ill}, step{2 * time.Hour, Tick{}, Ill}),
			reason: "nginx does not answer: connection refused", since: 1400 * ms,
		}, {
			name: "orphans' answers do not end an illness",
			steps: after(ill, step{1500 * ms, died, Ill}, step{1600 * ms, ProbeOK{}, Ill}, step{1700 * ms, ProbeOK{}, Ill},
				step{1800 * ms, ProbeOK{}, Ill}, step{1900 * ms, MasterStarted{}, Ill}, step{2000 * ms, ProbeOK{}, Ill},
				step{2100 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 2100 * ms,
		}, {
			name: "a master's death is repaired first", steps: repairing,
			reason: "nginx's master died: signal: killed", since: time.Second,
		}, {
			name:   "a repair is done by the new master's first answer",
			steps:  after(repairing, step{1100 * ms, MasterStarted{}, Repairing}, step{1200 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 1200 * ms,
		}, {
			name: "an answer before the new master is the orphans' and only keeps the role",
			steps: after(repairing, step{1900 * ms, ProbeOK{}, Repairing}, step{2800 * ms, ProbeOK{}, Repairing},
				step{3700 * ms, Tick{}, Repairing}, step{3799 * ms, MasterStarted{}, Repairing}, step{3799 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 3799 * ms,
		}, {
			name: "failures are not counted during a repair",
			steps: after(repairing, step{1100 * ms, failed, Repairing}, step{1200 * ms, failed, Repairing}, step{1300 * ms, failed, Repairing},
				step{1400 * ms, failed, Repairing}, step{1900 * ms, MasterStarted{}, Repairing}, step{1999 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 1999 * ms,
		}, {
			name:   "failures before a crash do not count after its repair",
			steps:  after(healthy, step{500 * ms, failed, Healthy}, step{600 * ms, failed, Healthy}, step{700 * ms, died, Repairing}, step{800 * ms, MasterStarted{}, Repairing}, step{900 * ms, ProbeOK{}, Healthy}, step{1000 * ms, failed, Healthy}),
			reason: "nginx answers", since: 900 * ms,
		}, {
			name:   "a repair during which nobody answers for Repair is ill",
			steps:  after(repairing, step{1999 * ms, Tick{}, Repairing}, step{2000 * ms, Tick{}, Ill}),
			reason: "nobody has answered for 1s: nginx's master died: signal: killed", since: 2 * time.Second,
		}, {
			name:   "silence counts from the last answer after the crash",
			steps:  after(repairing, step{1700 * ms, ProbeOK{}, Repairing}, step{2699 * ms, Tick{}, Repairing}, step{2700 * ms, failed, Ill}),
			reason: "nobody has answered for 1s: nginx's master died: signal: killed", since: 2700 * ms,
		}, {
			name: "a second crash does not prolong a repair",
			steps: after(repairing, step{1500 * ms, MasterStarted{}, Repairing}, step{1800 * ms, MasterDied{}, Repairing},
				step{2000 * ms, Tick{}, Ill}),
			reason: "nobody has answered for 1s: nginx's master died", since: 2 * time.Second,
		}, {
			name: "orphans carry the role for Orphans in all", gate: Gate{Orphans: 2 * time.Second},
			steps: after(repairing, step{1900 * ms, ProbeOK{}, Repairing}, step{2800 * ms, ProbeOK{}, Repairing},
				step{2999 * ms, ProbeOK{}, Repairing}, step{3000 * ms, ProbeOK{}, Ill}),
			reason: "orphaned workers have served alone for 2s: nginx's master died: signal: killed", since: 3 * time.Second,
		}, {
			name: "what is missed is no silence",
			steps: after(repairing, step{1900 * ms, ProbeOK{}, Repairing}, step{7000 * ms, Missed{5000 * ms}, Repairing},
				step{7899 * ms, Tick{}, Repairing}, step{7900 * ms, Tick{}, Ill}),
			reason: "nobody has answered for 1s: nginx's master died: signal: killed", since: 7900 * ms,
		}, {
			name: "an answer in what was missed is no answer yet to come",
			steps: after(repairing, step{6900 * ms, ProbeOK{}, Repairing}, step{7000 * ms, Missed{5000 * ms}, Repairing},
				step{7999 * ms, Tick{}, Repairing}, step{8000 * ms, Tick{}, Ill}),
			reason: "nobody has answered for 1s: nginx's master died: signal: killed", since: 8000 * ms,
		}, {
			name: "orphans are not held to have served while that was missed", gate: Gate{Orphans: 2 * time.Second},
			steps: after(repairing, step{1900 * ms, ProbeOK{}, Repairing}, step{4000 * ms, Missed{2000 * ms}, Repairing},
				step{4500 * ms, ProbeOK{}, Repairing}, step{4999 * ms, Tick{}, Repairing}, step{5000 * ms, Tick{}, Ill}),
			reason: "orphaned workers have served alone for 2s: nginx's master died: signal: killed", since: 5 * time.Second,
		}, {
			name: "a start is not shorter by what is missed",
			steps: []step{
				{0, Tick{}, Starting}, {13000 * ms, Missed{12000 * ms}, Starting}, {21999 * ms, Tick{}, Starting}, {22000 * ms, Tick{}, Ill},
			},
			reason: "nginx has not answered within 10s", since: 22 * time.Second,
		}, {
			name:   "giving up ends a repair",
			steps:  after(repairing, step{1100 * ms, GivenUp{}, Ill}, step{1200 * ms, ProbeOK{}, Ill}, step{1300 * ms, ProbeOK{}, Ill}),
			reason: "nginx is not started again", since: 1100 * ms,
		}, {
			name:   "giving up is over after Rise answers, if a master lives after all",
			steps:  after(healthy, step{500 * ms, GivenUp{}, Ill}, step{600 * ms, ProbeOK{}, Ill}, step{700 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 700 * ms,
		}, {
			name: "a reset is ill until the new nginx has answered",
			steps: after(ill, step{11 * time.Second, Reset{"frozen for 10s"}, Ill}, step{11100 * ms, ProbeOK{}, Ill}, step{11200 * ms, ProbeOK{}, Ill},
				step{12 * time.Second, MasterStarted{}, Ill}, step{12100 * ms, ProbeOK{}, Ill}, step{12200 * ms, ProbeOK{}, Healthy}),
			reason: "nginx answers", since: 12200 * ms,
		}, {
			name: "a reset says so", steps: after(ill, step{11 * time.Second, Reset{}, Ill}),
			reason: "nginx is ended and started anew", since: 1400 * ms,
		}, {
			name:   "a failing check is ill whatever nginx does",
			steps:  after(healthy, step{500 * ms, CheckFailed{"gateway", "no answer"}, Ill}, step{600 * ms, ProbeOK{}, Ill}, step{700 * ms, ProbeOK{}, Ill}),
			reason: "check gateway: no answer", since: 500 * ms,
		}, {
			name:   "a failing check ends a repair, as far as others see",
			steps:  after(repairing, step{1100 * ms, CheckFailed{"gateway", "no answer"}, Ill}, step{1200 * ms, CheckPassed{"gateway"}, Repairing}),
			reason: "nginx's master died: signal: killed", since: 1200 * ms,
		}, {
			name: "what nginx is worth shows again when the last check passes",
			steps: after(healthy, step{500 * ms, CheckFailed{"b", "x"}, Ill}, step{600 * ms, CheckFailed{"a", "y"}, Ill},
				step{700 * ms, CheckPassed{"b"}, Ill}, step{800 * ms, CheckPassed{"a"}, Healthy}),
			reason: "nginx answers", since: 800 * ms,
		}, {
			name:   "all failing checks are named, in order",
			steps:  after(healthy, step{500 * ms, CheckFailed{"b", "x"}, Ill}, step{600 * ms, CheckFailed{"a", "y"}, Ill}),
			reason: "check a: y; check b: x", since: 500 * ms,
		}, {
			name: "nginx's own illness is named before a check's", steps: after(ill, step{2000 * ms, CheckFailed{"a", "y"}, Ill}),
			reason: "nginx does not answer: connection refused; check a: y", since: 1400 * ms,
		}, {
			name: "first results are awaited", gate: Gate{Checks: []string{"a", "b"}},
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{3 * ms, CheckPassed{"b"}, Starting},
			},
			reason: "first result awaited of check a",
		}, {
			name: "while nginx starts that is the reason, checks or not", gate: Gate{Checks: []string{"a"}},
			steps:  []step{{0, Tick{}, Starting}},
			reason: "nginx is starting",
		}, {
			name: "an nginx that is ill awaits no check", gate: Gate{Checks: []string{"a"}},
			steps:  []step{{0, Tick{}, Starting}, {1 * ms, GivenUp{"no nginx"}, Ill}, {10000 * ms, Tick{}, Ill}},
			reason: "no nginx", since: 1 * ms,
		}, {
			name: "is healthy with the last first result", gate: Gate{Checks: []string{"a", "b"}},
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{3 * ms, CheckPassed{"b"}, Starting}, {4 * ms, CheckPassed{"a"}, Healthy},
			},
			reason: "nginx answers", since: 4 * ms,
		}, {
			name: "is ill with a first result that is bad", gate: Gate{Checks: []string{"a", "b"}},
			steps:  []step{{0, Tick{}, Starting}, {1 * ms, CheckFailed{"b", "x"}, Ill}},
			reason: "check b: x", since: 1 * ms,
		}, {
			name: "awaits first results no longer than Start", gate: Gate{Checks: []string{"a"}},
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{10000 * ms, Tick{}, Ill},
			},
			reason: "no result within 10s of check a", since: 10 * time.Second,
		}, {
			name: "a first result after Start counts", gate: Gate{Checks: []string{"a"}},
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{10000 * ms, Tick{}, Ill}, {10001 * ms, CheckPassed{"a"}, Healthy},
			},
			reason: "nginx answers", since: 10001 * ms,
		}, {
			name: "a crash with first results awaited stays starting", gate: Gate{Checks: []string{"a"}},
			steps: []step{
				{0, MasterStarted{}, Starting}, {1 * ms, ProbeOK{}, Starting}, {2 * ms, ProbeOK{}, Starting},
				{3 * ms, died, Starting}, {4 * ms, CheckPassed{"a"}, Repairing},
			},
			reason: "nginx's master died: signal: killed", since: 4 * ms,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := test.gate
			prev := Verdict{}
			for i, s := range test.steps {
				v, changed := g.Observe(epoch.Add(s.at), s.ev)
				if v.State != s.want {
					t.Fatalf("step %d, %T at %v: state %v, want %v (%s)", i, s.ev, s.at, v.State, s.want, v.Reason)
				}
				if differs := v.State != prev.State || v.Reason != prev.Reason; changed != differs {
					t.Errorf("step %d, %T at %v: changed = %t from %v to %v", i, s.ev, s.at, changed, prev, v)
				}
				prev = v
			}
			want := Verdict{test.steps[len(test.steps)-1].want, test.reason, epoch.Add(test.since)}
			if diff := cmp.Diff(want, g.Verdict()); diff != "" {
				t.Errorf("last verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGateDeadline(t *testing.T) {
	tests := []struct {
		name  string
		gate  Gate
		steps []step
		want  time.Duration // after epoch; -1: none
	}{
		{"none before the first event", Gate{}, nil, -1},
		{"of the start", Gate{Start: 3 * time.Second}, healthy[:2], 3 * time.Second},
		{"none while healthy", Gate{}, healthy, -1},
		{"of the start while a check is unknown", Gate{Checks: []string{"a"}}, []step{{0, MasterStarted{}, 0}, {1, ProbeOK{}, 0}, {2, ProbeOK{}, 0}}, 10 * time.Second},
		{"none when the start has passed with a check unknown", Gate{Checks: []string{"a"}}, []step{{0, MasterStarted{}, 0}, {1, ProbeOK{}, 0}, {2, ProbeOK{}, 0}, {10 * time.Second, Tick{}, Ill}}, -1},
		{"of a repair, from the crash", Gate{}, after(healthy, step{time.Second, died, 0}), 2 * time.Second},
		{"of a repair, from the last answer", Gate{}, after(healthy, step{time.Second, died, 0}, step{1500 * ms, ProbeOK{}, 0}), 2500 * ms},
		{"of the orphans", Gate{Orphans: 1200 * ms}, after(healthy, step{time.Second, died, 0}, step{1500 * ms, ProbeOK{}, 0}), 2200 * ms},
		{"none while ill", Gate{}, after(healthy, step{time.Second, GivenUp{}, 0}), -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := test.gate
			for _, s := range test.steps {
				g.Observe(epoch.Add(s.at), s.ev)
			}
			got := g.Deadline()
			if test.want < 0 && !got.IsZero() || test.want >= 0 && !got.Equal(epoch.Add(test.want)) {
				t.Errorf("Deadline = %v, want %v after %v", got, test.want, epoch)
			}
		})
	}
}

func TestStateNames(t *testing.T) {
	var got []string
	for _, s := range States {
		got = append(got, s.String())
	}
	if diff := cmp.Diff([]string{"starting", "healthy", "repairing", "ill"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func ExampleGate() {
	g := Gate{Fall: 2}
	now := time.Now()
	for _, ev := range []Event{
		MasterStarted{}, ProbeOK{}, ProbeOK{},
		ProbeFailed{errors.New("timeout")}, ProbeFailed{errors.New("timeout")},
	} {
		if v, changed := g.Observe(now, ev); changed {
			fmt.Printf("%v: %s\n", v.State, v.Reason)
		}
		now = now.Add(200 * time.Millisecond)
	}
	// Output:
	// starting: nginx is starting
	// healthy: nginx answers
	// ill: nginx does not answer: timeout
}
