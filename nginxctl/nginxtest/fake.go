package nginxtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Behaviour is what a fake nginx does. The zero value is a well-behaved nginx
// with one worker and a status endpoint, but for reloads: it ignores HUP.
type Behaviour struct {
	HangTest   bool           // -t and -T never end
	FailTest   string         // what -t and -T say before they fail; "": they pass
	ExitCode   int            // how it ends by itself: before it is ready, or at ExitOn
	ExitEarly  bool           // ends before it is ready
	ExitOn     syscall.Signal // that has it end by itself; 0: none
	Says       string         // last words of such an end, on standard error
	NeverReady bool           // never has a worker
	IgnoreQuit bool
	IgnoreTerm bool
	Mute       bool // accepts at the status endpoint and answers nothing
}

// Fake is a fake nginx: a link to the test binary by the name of nginx. The
// test binary's TestMain must call Main first.
type Fake struct {
	Dir    string
	Path   string // the program
	Socket string // its status endpoint listens here
}

// NewFake makes a fake nginx that goes with the test. Its processes end with
// the master that is killed, or with the folder.
func NewFake(t testing.TB, b Behaviour) *Fake {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ngx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &Fake{Dir: dir, Path: filepath.Join(dir, "nginx"), Socket: filepath.Join(dir, "http.sock")}
	if err := os.Symlink(self, f.Path); err != nil {
		t.Fatal(err)
	}
	f.Behave(t, b)
	return f
}

// Behave changes what processes started from now on do.
func (f *Fake) Behave(t testing.TB, b Behaviour) {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Dir, behaviourFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Command starts the fake.
func (f *Fake) Command() []string { return []string{f.Path, "-g", "daemon off;"} }

// StatusURL is the status endpoint as a probe's URL.
func (f *Fake) StatusURL() string { return "http://unix:" + f.Socket + ":/stub_status" }

const (
	behaviourFile = "behaviour.json"
	folder        = "NGINXTEST_FAKE" // environment variable: the fake's folder
	masterTitle   = "nginx: master process fake"
	workerTitle   = "nginx: worker process"
)

// Main becomes the fake nginx when the test binary has been started as one, and
// does not return then. It leaves by syscall.Exit, since the race detector holds
// up os.Exit for a second.
func Main() {
	dir := os.Getenv(folder)
	if dir == "" {
		dir = filepath.Dir(os.Args[0])
		if filepath.Base(os.Args[0]) != "nginx" {
			return
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, behaviourFile))
	if err != nil {
		return
	}
	var b Behaviour
	if err := json.Unmarshal(text, &b); err != nil {
		fatal(err)
	}
	// A master is judged by the signal mask of its first thread, and Go's
	// signal delivery blocks signals on the thread that it runs on: keep that
	// away by staying here.
	runtime.LockOSThread()
	f := fake{Behaviour: b, dir: dir}
	if syscall.Gettid() != syscall.Getpid() {
		f.exec(os.Args)
	}
	switch os.Args[0] {
	case masterTitle:
		f.master()
	case workerTitle:
		f.worker()
	default:
		f.command(os.Args[1:])
	}
	syscall.Exit(0)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "fake nginx:", err)
	syscall.Exit(70)
}

type fake struct {
	Behaviour
	dir string
}

// command does what the command line says.
func (f fake) command(args []string) {
	for _, a := range args {
		switch a {
		case "-V":
			fmt.Fprintln(os.Stderr, "nginx version: fake\nconfigure arguments: --prefix="+f.dir)
			return
		case "-t", "-T":
			f.test(a == "-T")
			return
		}
	}
	if f.ExitEarly {
		f.end()
	}
	// Like nginx, which blocks its signals while it works, a master does not look
	// idle before it has its worker, however long that takes.
	mask(unix.SIG_BLOCK)
	// A new title takes a new argument 0.
	f.exec([]string{masterTitle})
}

// mask changes whether the thread takes SIGHUP; exec keeps that.
func mask(how int) {
	var set unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGHUP - 1)
	if err := unix.PthreadSigmask(how, &set, nil); err != nil {
		fatal(err)
	}
}

func (f fake) test(print bool) {
	for f.HangTest {
		_ = syscall.Pause() // a signal that does not kill wakes it
	}
	if f.FailTest != "" {
		fmt.Fprintln(os.Stderr, f.FailTest)
		syscall.Exit(1)
	}
	if print {
		fmt.Printf("# configuration file %s/nginx.conf:\nhttp { server { listen unix:%s/http.sock; location = /stub_status { stub_status; } } }\n\n", f.dir, f.dir)
	}
}

func (f fake) end() {
	if f.Says != "" {
		fmt.Fprintln(os.Stderr, f.Says)
	}
	syscall.Exit(f.ExitCode)
}

func (f fake) exec(args []string) {
	self, err := os.Executable()
	if err != nil {
		fatal(err)
	}
	fatal(syscall.Exec(self, args, append(os.Environ(), folder+"="+f.dir)))
}

// master answers at the status endpoint itself, has a worker for show, and ends
// as it is told.
func (f fake) master() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTERM)
	if f.ExitOn != 0 {
		signal.Notify(signals, f.ExitOn)
	}
	listener, inherited, err := f.listen()
	if err != nil {
		fmt.Fprintf(os.Stderr, "nginx: [emerg] %v\n", err)
		syscall.Exit(1)
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(f.answer)) }() // ends with the process
	endWorker := func() {}
	if !f.NeverReady {
		endWorker = f.startWorker()
	}
	mask(unix.SIG_UNBLOCK)
	for s := range signals {
		switch {
		case s == f.ExitOn:
			if !inherited {
				os.Remove(listener.Addr().String())
			}
			endWorker()
			f.end()
		case s == syscall.SIGQUIT && !f.IgnoreQuit, s == syscall.SIGTERM && !f.IgnoreTerm:
			listener.Close()
			endWorker()
			return
		}
	}
}

// listen takes the status endpoint's socket from those inherited in nginx's way,
// or makes one.
func (f fake) listen() (l net.Listener, inherited bool, err error) {
	path := filepath.Join(f.dir, "http.sock")
	for word := range strings.SplitSeq(strings.TrimSuffix(os.Getenv("NGINX"), ";"), ";") {
		fd, err := strconv.Atoi(word)
		if err != nil {
			continue // there is none
		}
		file := os.NewFile(uintptr(fd), "inherited")
		l, err := net.FileListener(file)
		file.Close()
		if err != nil {
			return nil, false, err
		}
		if l.Addr().String() == path {
			return l, true, nil
		}
		l.Close()
	}
	l, err = net.Listen("unix", path)
	return l, false, err
}

// startWorker returns the way to end it.
func (f fake) startWorker() func() {
	self, err := os.Executable()
	if err != nil {
		fatal(err)
	}
	worker := exec.Command(self)
	worker.Args = []string{workerTitle}
	if err := worker.Start(); err != nil {
		fatal(err)
	}
	return func() {
		err := worker.Process.Kill()
		if _, killed := errors.AsType[*exec.ExitError](worker.Wait()); !killed {
			fatal(fmt.Errorf("end the worker: %v", err))
		}
	}
}

func (f fake) answer(w http.ResponseWriter, r *http.Request) {
	if f.Mute {
		<-r.Context().Done()
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/stub_status") {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n")
}

// worker takes the signals that nginx's does. It ends when its folder is gone,
// so that none is left over by a test.
func (f fake) worker() {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT, syscall.SIGTERM)
	tick := time.NewTicker(200 * time.Millisecond)
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			if _, err := os.Stat(f.dir); err != nil {
				return
			}
		}
	}
}
