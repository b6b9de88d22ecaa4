package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ngha/supervisor/control"
	"ngha/supervisor/standin"
	"ngha/supervisor/status"
)

func TestMain(m *testing.M) {
	standin.Act() // in-image says that it is nginx
	testscript.Main(m, map[string]func(){"ngha": main, "in-image": inImage})
}

// inImage is `ngha entrypoint` in an image whose own entrypoint is the first
// argument.
func inImage() {
	if f, ok := errors.AsType[*failure](containerCommand(os.Args[2:], os.Args[1], os.Stderr)); ok {
		say(os.Stderr, f.Error()+"\n")
		os.Exit(f.code)
	}
}

// TestScripts runs the command lines in testdata/script. `exits CODE ARGS...`
// runs ngha and wants that exit code; `node` serves the control socket
// $WORK/ngha.sock as a node would; `expand FILE` fills $WORK in; `await STATE`
// waits until the node on the control socket is in that state of health.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// So that no ngha of this machine is asked.
			e.Setenv("NGHA_SOCKET", filepath.Join(e.WorkDir, "ngha.sock"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "node": serveNode, "expand": expand, "await": await,
		},
	})
}

// A log driver that hangs must not keep a node from ending, nor its exit code
// from whoever starts it anew.
func TestEndDoesNotWaitForAReaderOfStandardError(t *testing.T) {
	reader, writer := io.Pipe()
	defer reader.Close() // ends the writer that was given up
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"status", "--socket", filepath.Join(t.TempDir(), "ngha.sock")}, io.Discard, writer)
	}()
	select {
	case got := <-code:
		if got != exitFailed {
			t.Errorf("exit code %d, want %d", got, exitFailed)
		}
	case <-time.After(30 * time.Second):
		t.Error("the end waits for a reader")
	}
}

// exits runs ngha with the arguments after the exit code that is wanted.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	got := "0"
	if err := ts.Exec("ngha", args[1:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("ngha %s: exit code %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// serveNode answers on $WORK/ngha.sock until the script ends.
func serveNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: node [bad]")
	}
	l, err := control.Listen(ts.Getenv("NGHA_SOCKET"), "")
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, fakeNode{bad: len(args) == 1}) }()
	ts.Defer(func() {
		stop()
		ts.Check(<-done)
	})
}

func serve(ctx context.Context, l net.Listener, n fakeNode) error {
	return control.Server{Node: n}.Serve(ctx, l)
}

// expand puts the values of variables into a file.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// await waits for a state of health.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await STATE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := control.Client{Socket: ts.Getenv("NGHA_SOCKET")}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := client.Status(ctx)
		if err == nil && s.Health.State == args[0] {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("still not %s: %+v, %v", args[0], s.Health, err)
		}
	}
}

// fakeNode is a node that answers the same for ever.
type fakeNode struct{ bad bool }

func (n fakeNode) Status() status.Status { return sample() }

func (n fakeNode) Reload(context.Context) (status.Reload, error) {
	if n.bad {
		return status.Reload{Generation: 3, Reason: "nginx: [emerg] unknown directive \"lisen\" in /etc/nginx/nginx.conf:12\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"}, nil
	}
	return status.Reload{Applied: true, Generation: 4, Took: 120 * time.Millisecond}, nil
}

func (n fakeNode) Upgrade(context.Context) (status.Reload, error) {
	if n.bad {
		return status.Reload{Generation: 3, Reason: "its workers crash: [alert] worker process 7 exited on signal 11"}, nil
	}
	return status.Reload{Applied: true, Generation: 5, Took: 1200 * time.Millisecond}, nil
}
