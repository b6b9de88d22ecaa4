package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ngha/supervisor"
	"ngha/supervisor/control"
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
	sentence, well := supervisor.Summary(s)
	sentence = oneLine(sentence)
	if !well {
		return "", fail(exitFailed, errors.New(sentence))
	}
	return sentence, nil
}
