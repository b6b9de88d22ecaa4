package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// The tags of ngha on nginx images: one of Debian's kind, one with busybox in the
// place of what Debian has, and one on that whose user is not root.
const (
	Image             = "ngha-test"
	ImageBusybox      = "ngha-test:busybox"
	ImageUnprivileged = "ngha-test:unprivileged"
)

// Require skips the test, with the reason, where no engine answers or
// docker-compose is not installed, and sees to it that the images are there.
// From then on this program has the engine for itself, as far as others ask here.
func Require(t testenv.TB) {
	t.Helper()
	if err := answers(); err != nil {
		t.Skipf("no container engine: %v", err)
	}
	if err := images(testenv.Sources(t)); err != nil {
		t.Fatalf("make the images: %v", err)
	}
}

// answerLimit is how long the engine may take to say that it is there.
const answerLimit = 10 * time.Second

// answers asks the engine, once in the life of this program.
var answers = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	folder, err := run(exec.CommandContext(ctx, "docker", "info", "--format", "{{.DockerRootDir}}"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("the engine that answers is on another machine: %w", err)
	}
	_, err = run(exec.CommandContext(ctx, "docker-compose", "version"))
	return err
})

// turn is the lock of this program, open until its end.
var turn *os.File

var (
	once   sync.Once
	failed error
)

// images makes the images of the sources at root, once in the life of this
// program.
func images(root string) error {
	once.Do(func() {
		if turn, failed = os.Create(filepath.Join(os.TempDir(), "ngha-compose.lock")); failed != nil {
			return
		}
		if failed = unix.Flock(int(turn.Fd()), unix.LOCK_EX); failed != nil {
			return
		}
		_, failed = run(exec.Command(filepath.Join(root, "testenv/compose/images")))
	})
	return failed
}

// run returns what cmd prints, less the space around it. Its error has what cmd
// said was wrong.
func run(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// docker runs the engine's client.
func docker(args ...string) (string, error) { return run(exec.Command("docker", args...)) }
