package nginxctl

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ngha/nginxctl/nginxtest"
)

func TestNginxStartsAnswersAndStops(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{Workers: 3})
	if got := workers(t, m); !anyWorker(got) {
		t.Errorf("workers: %v", got)
	}
	if _, err := mustProbe(t, s.StatusURL()).Check(testContext(t)); err != nil {
		t.Error(err)
	}
	if m.Err() != nil || m.Stopping() {
		t.Errorf("running: Err() = %v, Stopping() = %v", m.Err(), m.Stopping())
	}
	if err := m.Stop(testContext(t), StopOptions{Grace: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[*ExitError](m.Err())
	if !ok || e.Code != 0 || !e.Asked || !e.Ready {
		t.Errorf("Err() = %#v, want an orderly end that was asked for", m.Err())
	}
	if m.Stopping() {
		t.Error("Stopping() after our own Stop")
	}
	allGone(t, m.Session())
	if _, err := os.Stat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := m.Signal(unix.SIGUSR1); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal after the end: %v", err)
	}
}

func TestStopLetsADownloadEndUntilGraceIsOver(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	answer := download(t, s)
	begun := time.Now()
	if err := m.Stop(testContext(t), StopOptions{Grace: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begun); d < 300*time.Millisecond {
		t.Errorf("stopped after %v, before grace was over", d)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Error("the download was served to its end, a minute's worth")
	}
	allGone(t, m.Session())
}

func TestFrozenNginxIsEnded(t *testing.T) {
	_, m := startSite(t, nginxtest.Config{})
	all, err := members(m.Session())
	if err != nil {
		t.Fatal(err)
	}
	if err := signalAll(all, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	o := StopOptions{Grace: 50 * time.Millisecond, Terminate: 50 * time.Millisecond}
	if err := m.Stop(testContext(t), o); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*ExitError](m.Err()); !ok || e.Signal != unix.SIGKILL {
		t.Errorf("Err() = %v, want killed", m.Err())
	}
	allGone(t, m.Session())
}

func TestImpatientStopOvertakesPatientOne(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{IgnoreQuit: true})
	n, _ := testNginx(t, f.Command())
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	patient := make(chan error, 1)
	go func() { patient <- m.Stop(testContext(t), StopOptions{Grace: time.Hour}) }()
	if err := m.Stop(testContext(t), StopOptions{Terminate: 20 * time.Second}); err != nil {
		t.Error(err)
	}
	if err := <-patient; err != nil {
		t.Error(err)
	}
	if e, ok := errors.AsType[*ExitError](m.Err()); !ok || e.Code != 0 {
		t.Errorf("Err() = %v, want the exit that TERM brings", m.Err())
	}
}

func TestStopKillsAnNginxThatIgnoresSignals(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{IgnoreQuit: true, IgnoreTerm: true})
	n, _ := testNginx(t, f.Command())
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	o := StopOptions{Grace: 20 * time.Millisecond, Terminate: 20 * time.Millisecond}
	if err := m.Stop(testContext(t), o); err != nil {
		t.Fatal(err)
	}
	allGone(t, m.Session())
}

func TestStopKillsAtOnceWhenItsContextEnds(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{IgnoreQuit: true, IgnoreTerm: true})
	n, _ := testNginx(t, f.Command())
	m := start(t, n)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := m.Stop(ctx, StopOptions{Grace: time.Hour, Terminate: time.Hour}); err != nil {
		t.Fatal(err)
	}
	allGone(t, m.Session())
}

func TestStartReportsNginxsWords(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{Main: "no_such_directive;"})
	n, _ := testNginx(t, s.Command())
	_, err := n.Start(testContext(t))
	if e, ok := errors.AsType[*TestError](err); !ok || !strings.Contains(e.Error(), `[emerg] unknown directive "no_such_directive"`) {
		t.Errorf("Start: %v", err)
	}
}

func TestReadyReportsWhyNginxEnded(t *testing.T) {
	nginxtest.Require(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := nginxtest.NewSite(t, nginxtest.Config{Listen: []string{taken.Addr().String()}})
	n, _ := testNginx(t, s.Command())
	m := start(t, n)
	err = m.Ready(testContext(t))
	e, ok := errors.AsType[*ExitError](err)
	if !ok || e.Code != 1 || e.Ready || !strings.Contains(e.Reason, "bind() to "+taken.Addr().String()+" failed (98: Address already in use)") {
		t.Errorf("Ready: %#v", err)
	}
}

func TestReadyReportsWordsOnStandardError(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{ExitEarly: true, ExitCode: 3, Says: "nginx: [emerg] out of luck"})
	n, _ := testNginx(t, f.Command())
	err := start(t, n).Ready(testContext(t))
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 3 || e.Reason != "[emerg] out of luck" {
		t.Errorf("Ready: %#v", err)
	}
}

func TestReadyNamesAWrapperThatDoesNotExec(t *testing.T) {
	script := t.TempDir() + "/run"
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 60\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n, _ := testNginx(t, []string{script})
	m := start(t, n)
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	err := m.Ready(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "exec nginx") {
		t.Errorf("Ready: %v", err)
	}
}

func TestReadyEndsWithItsContext(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{NeverReady: true})
	n, _ := testNginx(t, f.Command())
	m := start(t, n)
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	if err := m.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready: %v", err)
	}
}

func TestEndAfterReadyIsReportedWithItsCode(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{ExitOn: unix.SIGUSR2, ExitCode: 7})
	n, _ := testNginx(t, f.Command())
	m := start(t, n)
	if err := m.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := m.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	if e, ok := errors.AsType[*ExitError](m.Err()); !ok || e.Code != 7 || e.Asked || !e.Ready {
		t.Errorf("Err() = %#v", m.Err())
	}
	if m.Stopping() {
		t.Error("a crash is taken for a stop")
	}
}

func TestStopFromOutsideIsNoticed(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGQUIT, unix.SIGTERM} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			s, m := startSite(t, nginxtest.Config{})
			download(t, s)
			if err := m.Signal(sig); err != nil {
				t.Fatal(err)
			}
			nginxtest.Eventually(t, "Stopping", m.Stopping)
			if sig == unix.SIGQUIT {
				if m.Err() != nil {
					t.Errorf("ended with a download in flight: %v", m.Err())
				}
				return
			}
			<-m.Done()
			if !m.Stopping() {
				t.Error("Stopping() is false after the end")
			}
		})
	}
}

func TestStopFromOutsideIsNoticedThoughWorkersHang(t *testing.T) {
	s, m := startSite(t, nginxtest.Config{})
	download(t, s)
	if err := signalAll(workers(t, m), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if m.Stopping() {
		t.Error("hung workers are taken for a stop")
	}
	if err := m.Signal(unix.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "Stopping", m.Stopping)
}

func TestReadyNamesADaemon(t *testing.T) {
	nginxtest.Require(t)
	n, _ := testNginx(t, []string{"sh", "-c", "exec nginx -v"}) // ends at once, as a daemon's parent does
	err := start(t, n).Ready(testContext(t))
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 0 || !strings.Contains(e.Reason, "daemon off") {
		t.Errorf("Ready: %#v", err)
	}
}

// Its master would wait for ever beside no worker.
func TestReadyReportsWorkersThatGiveUp(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{Main: "working_directory /nowhere/at/all;"})
	n, _ := testNginx(t, s.Command())
	m := start(t, n)
	err := m.Ready(testContext(t))
	if err == nil || !strings.Contains(err.Error(), "exited with fatal code 2 and cannot be respawned") {
		t.Errorf("Ready: %v, want nginx's words about its workers", err)
	}
}
