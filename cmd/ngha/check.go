package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ngha/supervisor/control"
	"ngha/supervisor/status"
)

// checkLimit is how long a node may take to answer a check. It is less than
// what those who check, Docker among them, have patience for.
const checkLimit = 2 * time.Second

// check asks a node how it is, and returns a sentence that says so, or a failure
// with one.
func check(ctx context.Context, c control.Client) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, fmt.Errorf("the ngha at %s does not answer within %s", c.Socket, checkLimit))
	defer cancel()
	s, err := c.Status(ctx)
	if ctx.Err() != nil {
		return "", fail(exitFailed, context.Cause(ctx))
	}
	if err != nil {
		return "", explain(c, err)
	}
	sentence, well := judge(s)
	if !well {
		return "", fail(exitFailed, errors.New(sentence))
	}
	return sentence, nil
}

// judge tells in a sentence what a node does, and whether it does what it should:
// its nginx serves, or is being repaired without the role being given up, and
// every virtual router takes part in its election.
func judge(s status.Status) (sentence string, well bool) {
	words := []string{s.Health.State}
	if s.Health.Reason != "" {
		words[0] += ": " + s.Health.Reason
	}
	well = s.Health.State == "healthy" || s.Health.State == "repairing"
	for _, v := range s.VirtualRouters {
		switch v.State {
		case "active":
			words = append(words, v.Name+" is active")
		case "backup":
			words = append(words, v.Name+" stands by")
		default:
			well = false
			words = append(words, fmt.Sprintf("%s takes no part: %s", v.Name, v.Reason))
		}
	}
	return oneLine(strings.Join(words, "; ")), well
}
