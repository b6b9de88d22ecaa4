// Command tour shows ngha to a newcomer: it raises two nodes and a client in
// network namespaces of this machine, does harm to the nodes, and tells after
// each fault what the client saw. Every figure it prints was measured. The
// script testenv/demo installs what it needs and runs it:
//
//	sudo testenv/demo
//	sudo testenv/demo -interval 100ms
//
// The exit code is 1 when the client was not served again after a fault, or
// when the tour was ended. Nothing is left behind.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ngha/testenv"
)

func main() {
	interval := flag.Duration("interval", time.Second, "how often the node that holds the address says so, 10ms to 10s")
	flag.Parse()
	if *interval < 10*time.Millisecond || *interval > 10*time.Second || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal kills
	// With a handler, a reader who has seen enough is an error to write to, and
	// no end that leaves the lab standing.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var log bytes.Buffer
	code := testenv.Program{Title: "the tour", Out: &log}.Run(func(tb testenv.TB) {
		t := &tour{tb: tb, out: os.Stdout, interval: *interval}
		t.raise()
		t.introduce()
		for i, f := range t.faults() {
			t.show(i+1, f)
		}
		t.sumUp()
	})
	if code != 0 && ctx.Err() == nil { // who ended it knows why
		fmt.Fprintf(os.Stderr, "\n%s", &log)
	}
	fmt.Println("\nBoth nodes, the client and the network between them have been taken down.")
	os.Exit(code)
}
