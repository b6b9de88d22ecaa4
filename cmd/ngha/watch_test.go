package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/status"
)

var errSilent = errors.New("no ngha answers")

// answers returns what a node says from one second to the next. The zero Status
// stands for silence; the last answer goes on for ever.
func answers(said ...status.Status) func() (status.Status, error) {
	return func() (status.Status, error) {
		s := said[0]
		if len(said) > 1 {
			said = said[1:]
		}
		if s.Node == "" {
			return s, errSilent
		}
		return s, nil
	}
}

// node is a node whose restarts and probes can be told apart.
func node(restarts, probes uint64) status.Status {
	return status.Status{Node: "a", Nginx: status.Nginx{Restarts: restarts}, Health: status.Health{Probes: status.Probes{Answered: probes}}}
}

func TestWatchPrintsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errs bytes.Buffer
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		v := view{out: &out, err: &errs, json: true}
		silence := status.Status{}
		err := v.watch(ctx, answers(node(0, 1), node(0, 2), node(1, 3), silence, silence, node(1, 1), node(1, 2)))
		if err != nil {
			t.Errorf("watch returned %v", err)
		}
		var restarts []uint64
		for d := json.NewDecoder(&out); ; {
			var s status.Status
			if err := d.Decode(&s); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			restarts = append(restarts, s.Nginx.Restarts)
		}
		// The last one tells that the node is back.
		if diff := cmp.Diff([]uint64{0, 1, 1}, restarts); diff != "" {
			t.Errorf("restarts printed (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("ngha: no ngha answers\n", errs.String()); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
	})
}

func TestWatchRedrawsATerminalEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, stop := context.WithTimeout(context.Background(), 4500*time.Millisecond)
		defer stop()
		if err := (view{out: &out, terminal: true}).watch(ctx, answers(node(0, 1))); err != nil {
			t.Errorf("watch returned %v", err)
		}
		if n := strings.Count(out.String(), clearScreen+"node "); n != 5 {
			t.Errorf("drawn %d times, want 5, in:\n%q", n, out.String())
		}
	})
}

func TestWatchFailsWhereNobodyEverAnswers(t *testing.T) {
	var out bytes.Buffer
	if err := (view{out: &out}).watch(t.Context(), answers(status.Status{})); !errors.Is(err, errSilent) || out.Len() > 0 {
		t.Errorf("watch returned %v and printed %q, want %v", err, out.String(), errSilent)
	}
}

func TestWatchFailsWhereNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	err := (view{out: w}).watch(t.Context(), answers(node(0, 1)))
	if f, ok := errors.AsType[*failure](err); !ok || f.code != exitFailed {
		t.Errorf("watch returned %v, want a failure", err)
	}
}
