package supervisor

import (
	"context"
	"errors"
	"time"

	"ngha/nginxctl"
	"ngha/supervisor/control"
)

// clearLimit is how long what is cleared away may take to end.
const clearLimit = 10 * time.Second

// Clear ends the nginx that an ngha with this control socket has left, and
// returns how many processes that were. It fails where that ngha lives.
func Clear(ctx context.Context, socket string) (processes int, err error) {
	lock, err := control.Listen(socket, "")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	_, left, err := newSessions(socket).leftovers()
	if err != nil || len(left) == 0 {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, clearLimit)
	defer cancel()
	return len(left), nginxctl.Drain(ctx, left, 0)
}
