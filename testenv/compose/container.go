package compose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"ngha/testenv"
)

// Container is one that is no part of a pair.
type Container struct {
	t   testenv.TB
	lab *testenv.Lab
	id  string
}

// Start runs a container in the background, as `docker run` does with these
// arguments: options, image, command. It ends with the test.
func Start(t testenv.TB, lab *testenv.Lab, args ...string) *Container {
	t.Helper()
	Require(t)
	id, err := docker(append([]string{"run", "--detach"}, args...)...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	c := &Container{t: t, lab: lab, id: id}
	t.Cleanup(c.end)
	return c
}

func (c *Container) end() {
	if c.t.Failed() {
		stdout, stderr := c.Logs()
		c.t.Logf("=== stdout\n%s\n=== stderr\n%s", stdout, stderr)
	}
	if _, err := docker("rm", "--force", "--volumes", c.id); err != nil {
		c.t.Errorf("%v", err)
	}
}

// ID is what the engine knows the container by.
func (c *Container) ID() string { return c.id }

// Docker runs a command of the engine's client on the container: "stop".
func (c *Container) Docker(command ...string) {
	c.t.Helper()
	if err := c.TryDocker(command...); err != nil {
		c.t.Fatalf("%v", err)
	}
}

// TryDocker is Docker for another goroutine than the test's.
func (c *Container) TryDocker(command ...string) error {
	_, err := docker(append(command, c.id)...)
	return err
}

// Exec runs a command in the container, and returns what it prints.
func (c *Container) Exec(command ...string) (string, error) {
	return docker(append([]string{"exec", c.id}, command...)...)
}

// Inspect returns what the engine knows of the container, by a template.
func (c *Container) Inspect(format string) string {
	c.t.Helper()
	out, err := docker("inspect", "--format", format, c.id)
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	return out
}

// Guest is the container as the lab sees it until its end.
func (c *Container) Guest() *testenv.Guest {
	c.t.Helper()
	pid, err := firstProcess(c.id)
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	return c.lab.Guest(c.id[:12], pid)
}

// Status asks its ngha.
func (c *Container) Status() (testenv.Status, error) {
	var s testenv.Status
	out, err := c.Exec("ngha", "status", "--json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(out), &s)
}

// AwaitHealthy waits until its ngha says that nginx serves.
func (c *Container) AwaitHealthy() {
	c.t.Helper()
	c.lab.Await("the container to be healthy", awaitLimit, func() error {
		s, err := c.Status()
		if err == nil && !s.Health.Healthy {
			err = fmt.Errorf("it is %s: %s", s.Health.State, s.Health.Reason)
		}
		return err
	})
}

// AwaitExit waits until the container has ended, and returns its exit code.
func (c *Container) AwaitExit() string {
	c.t.Helper()
	code, err := docker("wait", c.id)
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	return code
}

// Logs is what the container has printed so far.
func (c *Container) Logs() (stdout, stderr string) {
	c.t.Helper()
	cmd := exec.Command("docker", "logs", c.id)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("docker logs %s: %v", c.id, err)
	}
	return out.String(), errs.String()
}

// Result is what a container in the foreground did.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a container to its end, as `docker run` does with these arguments.
func Run(t testenv.TB, args ...string) Result {
	t.Helper()
	Require(t)
	cmd := exec.Command("docker", append([]string{"run", "--rm"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("docker %s: %v", strings.Join(cmd.Args, " "), err)
	} else if ok {
		return Result{out.String(), errs.String(), exit.ExitCode()}
	}
	return Result{Stdout: out.String(), Stderr: errs.String()}
}

// Network makes a network of the engine for the test, and returns its name.
func Network(t testenv.TB, name string, options ...string) string {
	t.Helper()
	Require(t)
	name = "ngha-test-" + name
	args := append([]string{"network", "create"}, options...)
	docker("network", "rm", name) // a run that was killed may have left it
	if _, err := docker(append(args, name)...); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if _, err := docker("network", "rm", name); err != nil {
			t.Errorf("%v", err)
		}
	})
	return name
}

// ExitCodes are those that a container has ended with since then, the engine's
// restarts included, in order and with commas.
func (c *Container) ExitCodes(since time.Time) string {
	c.t.Helper()
	out, err := docker("events", "--since", seconds(since), "--until", seconds(time.Now()), "--filter", "container="+c.id, "--filter", "event=die",
		"--format", "{{.Actor.Attributes.exitCode}}")
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	return strings.Join(strings.Fields(out), ",")
}

func seconds(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
