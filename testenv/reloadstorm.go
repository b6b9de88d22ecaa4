package testenv

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ReloadStorm has many clients ask a node to reload its nginx, each again and
// again, while its configuration changes; for a fifth of the calls, in the middle,
// it is broken. The node must have `nginx: {reload: manual}`, so that nobody else
// asks.
type ReloadStorm struct {
	Calls    int // in all
	Clients  int // at the same time
	Programs int // how many of the calls are made by `ngha reload`; the others use the control socket
}

// ReloadTruth is what became of a storm.
type ReloadTruth struct {
	Applied, Refused int
	Generations      uint64 // that were reached
	Took             time.Duration
	// Untrue is what was wrong with answers: that a reload was applied when the
	// files were broken all the while, or in a generation that was known before
	// the call, or although nginx serves what is older than the call; that it
	// was not, when the files were good, or without nginx's words; or none at
	// all.
	Untrue []string
}

// StormReloads makes the storm and judges every answer. It leaves the node with
// a good configuration, which is applied.
func (n *Node) StormReloads(s ReloadStorm) ReloadTruth {
	n.lab.t.Helper()
	status, err := n.Status()
	if err != nil {
		n.lab.t.Fatalf("storm of reloads: %v", err)
	}
	run := &stormRun{
		node: n, storm: s, known: status.Nginx.Generation,
		disk: &stormDisk{path: n.nginx, text: n.lab.nginxText(n.host, n.host.name, n.Server+" "+stormMark)},
	}
	if err := run.disk.mend(); err != nil {
		n.lab.t.Fatalf("storm of reloads: %v", err)
	}
	if _, err := n.Reload(); err != nil {
		n.lab.t.Fatalf("storm of reloads: %v", err)
	}
	began := time.Now()
	var clients sync.WaitGroup
	for range s.Clients {
		clients.Go(run.client)
	}
	clients.Wait()
	run.truth.Took = time.Since(began)
	run.judge(run.disk.mend(), n.Reload)
	run.truth.Generations = run.known - status.Nginx.Generation
	return run.truth
}

// ReloadAnswer is what a node says to a call for a reload.
type ReloadAnswer struct {
	Applied    bool   `json:"applied"`
	Generation uint64 `json:"generation"` // the one that serves now
	Reason     string `json:"reason"`     // why it was not applied
}

// Reload has the node reload its nginx, by the control socket. Any goroutine may
// call it.
func (n *Node) Reload() (a ReloadAnswer, err error) {
	ctx, cancel := context.WithTimeout(n.lab.t.Context(), awaitLimit)
	defer cancel()
	resp, err := n.control(ctx, http.MethodPost, "/reload")
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("decode an answer: %w", err)
	}
	want := http.StatusUnprocessableEntity
	if a.Applied {
		want = http.StatusOK
	}
	if resp.StatusCode != want {
		return a, fmt.Errorf("%s, but the answer is %+v", resp.Status, a)
	}
	return a, nil
}

var generation = regexp.MustCompile(`generation (\d+)`)

// reloadProgram runs `ngha reload`. Any goroutine may call it.
func (n *Node) reloadProgram() (a ReloadAnswer, err error) {
	const notApplied = 4 // the exit code
	a.Reason, err = n.CLI("reload")
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && (!failed || exit.ExitCode() != notApplied) {
		return a, fmt.Errorf("ngha reload: %w: %s", err, a.Reason)
	}
	m := generation.FindStringSubmatch(a.Reason)
	if m == nil {
		return a, fmt.Errorf("ngha reload names no generation: %s", a.Reason)
	}
	a.Applied = err == nil
	a.Generation, err = strconv.ParseUint(m[1], 10, 64)
	return a, err
}

// stormRun is one storm under way.
type stormRun struct {
	node  *Node
	storm ReloadStorm
	disk  *stormDisk

	mu    sync.Mutex // guards the rest
	drawn int        // calls begun
	known uint64     // the highest generation that somebody was told of
	truth ReloadTruth
}

func (r *stormRun) client() {
	for {
		r.mu.Lock()
		number := r.drawn
		r.drawn++
		r.mu.Unlock()
		if number >= r.storm.Calls || r.node.lab.t.Context().Err() != nil {
			return
		}
		call := r.node.Reload
		if p := r.storm.Programs; p > 0 && number%max(r.storm.Calls/p, 1) == 0 {
			call = r.node.reloadProgram
		}
		r.judge(r.change(number), call)
	}
}

// change does to the configuration what is due before a call.
func (r *stormRun) change(number int) error {
	const often = 20 // calls are between two changes
	switch {
	case number == r.storm.Calls*2/5:
		return r.disk.spoil()
	case number == r.storm.Calls*3/5:
		return r.disk.mend()
	case number%often == 0:
		return r.disk.renew()
	}
	return nil
}

// judge makes a call and judges its answer.
func (r *stormRun) judge(unwritten error, call func() (ReloadAnswer, error)) {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	before := r.disk.state()
	a, err := call()
	after := r.disk.state()
	served := -1
	if err = errors.Join(unwritten, err); err == nil && a.Applied {
		served, err = r.node.servedVersion()
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = max(r.known, a.Generation)
	if a.Applied {
		r.truth.Applied++
	} else {
		r.truth.Refused++
	}
	wrong := ""
	if err != nil {
		wrong = err.Error()
	} else {
		wrong = a.untrue(known, before, after, served)
	}
	if wrong != "" {
		r.truth.Untrue = append(r.truth.Untrue, fmt.Sprintf("%s: %+v", wrong, a))
	}
}

// untrue says what is wrong with an answer, "" for nothing: known is the highest
// generation that was known before the call, served the version that nginx has
// after it.
func (a ReloadAnswer) untrue(known uint64, before, after diskState, served int) string {
	steady := before.turn == after.turn && !before.turning
	switch {
	case a.Applied && steady && before.broken:
		return "applied, but the configuration is broken"
	case a.Applied && a.Generation <= known:
		return fmt.Sprintf("generation %d was known before", known)
	case a.Applied && served < before.version:
		return fmt.Sprintf("nginx serves version %d, and the files had %d before", served, before.version)
	case !a.Applied && steady && !before.broken:
		return "not applied, but the configuration is good"
	case !a.Applied && !strings.Contains(a.Reason, stormFault):
		return "nginx's words are missing"
	case !a.Applied && a.Generation < known:
		return fmt.Sprintf("generation %d was told before", known)
	}
	return ""
}

// servedVersion asks nginx, by a new connection, which configuration it has.
func (n *Node) servedVersion() (int, error) {
	ctx, cancel := context.WithTimeout(n.lab.t.Context(), awaitLimit)
	defer cancel()
	conn, err := n.host.Dial(ctx, "127.0.0.1:80")
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	if _, err := conn.Write(getRequest(stormPath, "localhost", false)); err != nil {
		return -1, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return -1, err
	}
	defer resp.Body.Close()
	var version int
	_, err = fmt.Fscan(resp.Body, &version)
	return version, err
}
