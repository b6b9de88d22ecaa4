package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Status is what a node says of itself, as far as tests ask for it.
type Status struct {
	Node   string `json:"node"`
	Health struct {
		Healthy bool   `json:"healthy"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
	} `json:"health"`
	Nginx struct {
		PID           int    `json:"pid"` // inside the node
		Generation    uint64 `json:"generation"`
		Configuration string `json:"configuration"`
		Reason        string `json:"reason"`
		Copy          bool   `json:"copy"` // it runs from a copy of its last good configuration
		Restarts      uint64 `json:"restarts"`
		Reloads       uint64 `json:"reloads"`
		ReloadsFailed uint64 `json:"reloads_failed"`
	} `json:"nginx"`
	VirtualRouters []VirtualRouterStatus `json:"virtual_routers"`
	Warnings       []string              `json:"warnings"`
}

// VirtualRouterStatus is one virtual router of a Status.
type VirtualRouterStatus struct {
	Name      string         `json:"name"`
	VRID      int            `json:"vrid"`
	Interface string         `json:"interface"`
	Keys      []int          `json:"keys"`
	State     string         `json:"state"`
	Priority  int            `json:"priority"`
	Reason    string         `json:"reason"`
	Addresses []netip.Prefix `json:"addresses"`
	Active    *struct {
		Address  netip.Addr `json:"address"`
		Priority int        `json:"priority"`
	} `json:"active"`
	Alarms []struct {
		Name      string     `json:"name"`
		Sender    netip.Addr `json:"sender"`
		Discarded bool       `json:"discarded"`
		What      string     `json:"what"`
		Cure      string     `json:"cure"`
	} `json:"alarms"`
	Counters struct {
		Sent           uint64            `json:"advertisements_sent"`
		Received       uint64            `json:"advertisements_received"`
		Discarded      map[string]uint64 `json:"discarded"`
		BecameActive   uint64            `json:"became_active"`
		LeftActive     uint64            `json:"left_active"`
		Contradictions uint64            `json:"contradictions"`
		Announcements  uint64            `json:"announcements"`
		Lost           uint64            `json:"packets_lost"`
	} `json:"counters"`
}

// statusLimit is how long one request to a control socket may take.
const statusLimit = 5 * time.Second

// control asks the node's control socket, by a connection of its own. The caller
// closes the answer's body. Any goroutine may call it.
func (n *Node) control(ctx context.Context, method, path string) (*http.Response, error) {
	// A path is a path in every network namespace.
	resp, err := askSocket(ctx, n.machine.path(controlSocket), method, path)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w", n.host.name, err)
	}
	return resp, nil
}

func askSocket(ctx context.Context, socket, method, path string) (*http.Response, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ngha"+path, nil)
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(req)
}

// Status asks the node's control socket.
func (n *Node) Status() (Status, error) {
	s, err := askStatus(n.lab.t.Context(), n.machine.path(controlSocket))
	if err != nil {
		return s, fmt.Errorf("ask node %s: %w", n.host.name, err)
	}
	return s, nil
}

func askStatus(ctx context.Context, socket string) (Status, error) {
	var s Status
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	resp, err := askSocket(ctx, socket, http.MethodGet, "/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, errors.New(resp.Status)
	}
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// AwaitStatus waits until the node's status satisfies check, and returns it.
// What check returns is shown when that never comes about.
func (n *Node) AwaitStatus(what string, check func(Status) error) Status {
	n.lab.t.Helper()
	var last Status
	n.lab.Await(fmt.Sprintf("node %s to be %s", n.host.name, what), awaitLimit, func() error {
		if !n.ngha.Running() {
			n.lab.t.Fatalf("waited for node %s to be %s, but its ngha has ended: %v", n.host.name, what, n.ngha.err)
		}
		s, err := n.Status()
		if err != nil {
			return err
		}
		last = s
		return check(s)
	})
	return last
}

// AwaitState waits until every virtual router of the node is in the given
// state, "initialize", "backup" or "active".
func (n *Node) AwaitState(state string) Status {
	n.lab.t.Helper()
	return n.AwaitStatus(state, func(s Status) error {
		if len(s.VirtualRouters) == 0 {
			return fmt.Errorf("it has no virtual router")
		}
		for _, vr := range s.VirtualRouters {
			if vr.State != state {
				return fmt.Errorf("vrid %d is %s (%s)", vr.VRID, vr.State, vr.Reason)
			}
		}
		return nil
	})
}

// AwaitHealth waits until the node judges its nginx so: "healthy", "repairing"
// or "ill".
func (n *Node) AwaitHealth(state string) Status {
	n.lab.t.Helper()
	return n.AwaitStatus(state, func(s Status) error {
		if s.Health.State != state {
			return fmt.Errorf("it is %s (%s)", s.Health.State, s.Health.Reason)
		}
		return nil
	})
}
