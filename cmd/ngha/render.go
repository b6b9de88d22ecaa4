package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"ngha/supervisor/status"
)

// Render prints s for people, as of now.
func Render(w io.Writer, s status.Status, now time.Time) error {
	var b bytes.Buffer
	line := func(label, format string, a ...any) {
		fmt.Fprintf(&b, "%-8s %s\n", label, oneLine(strings.TrimSpace(fmt.Sprintf(format, a...))))
	}
	line("node", "%s", s.Node)
	line("ngha", "%s, up %s", s.Version, age(s.Started, now))
	line("health", "%s", healthWords(s.Health, now))
	if s.Health.URL != "" {
		line("asked", "%s", s.Health.URL)
	}
	line("nginx", "%s", nginxWords(s.Nginx, now))
	if s.Nginx.Reason != "" {
		line("", "%s", s.Nginx.Reason)
	}
	if words := lingering(s.Nginx.Lingering); words != "" {
		line("", "%s", words)
	}
	for _, warning := range warnings(s) {
		line("warning", "%s", warning)
	}
	if len(s.VirtualRouters) > 0 {
		b.WriteByte('\n')
		b.WriteString(routers(s.VirtualRouters, now))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func healthWords(h status.Health, now time.Time) string {
	words := h.State
	if !h.Since.IsZero() {
		words += " for " + age(h.Since, now)
	}
	if h.Reason != "" {
		words += ": " + h.Reason
	}
	return words
}

func nginxWords(n status.Nginx, now time.Time) string {
	if n.PID == 0 {
		return fmt.Sprintf("not running, configuration %s%s", n.Configuration, restarts(n.Restarts))
	}
	from := ""
	if n.Copy {
		from = " (runs from a copy of the last good one)"
	}
	version := n.Version
	if version != "" {
		version += ", "
	}
	return fmt.Sprintf("%spid %d for %s, generation %d, configuration %s%s%s",
		version, n.PID, age(n.Since, now), n.Generation, n.Configuration, from, restarts(n.Restarts))
}

func lingering(l []status.Lingering) string {
	workers := 0
	for _, g := range l {
		workers += g.Workers
	}
	switch workers {
	case 0:
		return ""
	case 1:
		return "1 worker of an earlier configuration finishes what it serves"
	}
	return fmt.Sprintf("%d workers of earlier configurations finish what they serve", workers)
}

func restarts(n uint64) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", restarted once"
	}
	return fmt.Sprintf(", restarted %d times", n)
}

// warnings are all that wants a person's eye.
func warnings(s status.Status) []string {
	out := append([]string(nil), s.Warnings...)
	if s.HooksFailed > 0 {
		out = append(out, fmt.Sprintf("%d of %d hook runs failed", s.HooksFailed, s.HooksRun))
	}
	if s.LogsDropped > 0 {
		out = append(out, fmt.Sprintf("%d log lines were dropped, since nobody read them in time", s.LogsDropped))
	}
	return out
}

// routers returns a table with a row for each virtual router, and one for each
// further address.
func routers(vs []status.VirtualRouter, now time.Time) string {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROUTER\tVRID\tINTERFACE\tADDRESS\tSTATE\tFOR\tPRIORITY\tACTIVE NODE\tREASON")
	master := " (master)" // keepalived's word, once
	for _, v := range vs {
		state := v.State
		if state == "active" {
			state += master
			master = ""
		}
		first, rest := "-", []netip.Prefix(nil)
		if len(v.Addresses) > 0 {
			first, rest = address(v.Addresses[0]), v.Addresses[1:]
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", oneLine(v.Name), v.VRID, orDash(v.Interface), first,
			state, age(v.Since, now), v.Priority, activeNode(v), orDash(oneLine(v.Reason)))
		for _, a := range rest {
			fmt.Fprintf(t, "\t\t\t%s\t\t\t\t\t\n", address(a)) // every cell: a column ends where one is missing
		}
	}
	t.Flush() // into a buffer: no error
	return trailingBlanks.ReplaceAllString(b.String(), "\n")
}

var trailingBlanks = regexp.MustCompile(` +\n`)

// activeNode says who has the addresses, as far as this node knows, and with
// which priority.
func activeNode(v status.VirtualRouter) string {
	switch {
	case v.State == "active":
		return "this one"
	case v.Active == nil:
		return "none heard"
	}
	return fmt.Sprintf("%s (%d)", v.Active.Address, v.Active.Priority)
}

// address prints p as the configuration would have it.
func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// age says how long ago t was, with the two units that matter.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(now.Sub(t), 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// oneLine keeps what others wrote from breaking the layout or reaching the
// terminal as a command to it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
