package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"ngha/supervisor/command"
)

// Check is one thing more that must hold for a node to be healthy. The zero
// value of every field but Name and Do means the default.
type Check struct {
	Name     string
	Interval time.Duration // from the start of one question to the next; default 1s
	Timeout  time.Duration // of one question; default 1s
	Rise     int           // good answers in a row after which it holds again; default 2
	Fall     int           // bad ones in a row after which it does not; default 3

	// Do asks once: nil means that it holds, an error says why not. It
	// returns soon after its context ends.
	Do func(context.Context) error
}

func (c Check) withDefaults() Check {
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.Rise = cmp.Or(c.Rise, 2)
	c.Fall = cmp.Or(c.Fall, 3)
	return c
}

// Run asks until ctx ends, at once and then every Interval, one question at a
// time, and sends a [CheckPassed] or [CheckFailed] whenever the answer has
// turned. The first good answer counts at once, since nothing was known before
// it; the first bad one, like any other, only after Fall of them.
func (c Check) Run(ctx context.Context, turns chan<- Event) {
	c = c.withDefaults()
	pace := time.NewTicker(c.Interval)
	defer pace.Stop()
	known, holds := false, false
	ok, bad := 0, 0
	for {
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		var turn Event
		if err == nil {
			ok, bad = ok+1, 0
			if !known || !holds && ok >= c.Rise {
				known, holds, turn = true, true, CheckPassed{c.Name}
			}
		} else {
			ok, bad = 0, bad+1
			if (!known || holds) && bad >= c.Fall {
				known, holds, turn = true, false, CheckFailed{c.Name, err.Error()}
			}
		}
		if turn != nil {
			select {
			case turns <- turn:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c Check) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	err := c.Do(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", c.Timeout, err)
	}
	return err
}

// HTTP returns a check that GETs url over a new connection and through no
// proxy. A status from 200 to 399 is good; redirects are not followed.
func HTTP(url string) func(context.Context) error {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("User-Agent", "ngha")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			return fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return nil
	}
}

// Exec returns a check that runs argv, a program and its arguments, without a
// shell. It holds while the program exits 0; otherwise the reason ends with what
// the program said last. At the timeout the program's whole process group is
// killed.
func Exec(argv []string, s command.Starter) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := command.Run(ctx, s, command.Command{Argv: argv})
		return err
	}
}

// Link returns a check that the interface called name is there and
// operationally up: administratively up, and with carrier.
func Link(name string) func(context.Context) error {
	return func(context.Context) error {
		iface, err := net.InterfaceByName(name)
		switch {
		case err != nil:
			return fmt.Errorf("interface %s: %w", name, err)
		case iface.Flags&net.FlagUp == 0:
			return fmt.Errorf("interface %s is down", name)
		case iface.Flags&net.FlagRunning == 0:
			return fmt.Errorf("interface %s has no carrier", name)
		}
		return nil
	}
}
