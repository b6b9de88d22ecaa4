package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"ngha/supervisor"
	"ngha/supervisor/config"
	"ngha/supervisor/control"
)

// imageEntrypoint is the script by which the official images of nginx, and those
// made of them, begin. It makes preparations where its first argument is nginx,
// and then executes its arguments.
const imageEntrypoint = "/docker-entrypoint.sh"

// The exit codes of a shell that cannot execute a command.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

func newEntrypoint() *cobra.Command {
	return &cobra.Command{
		Use:   "entrypoint COMMAND...",
		Short: "Run a container's command: nginx as a node, anything else as it is",
		Long: `entrypoint is what the image begins with. A command that runs nginx as a server
is run as ` + "`ngha run -- COMMAND`" + ` would; the settings come from the environment and
from /etc/ngha/ngha.yaml. Every other command, ` + "`nginx -t`, `bash`, `ngha status`" + `, is
executed in the place of this process.

The image's own ` + imageEntrypoint + ` has its part in both: it makes its
preparations before nginx is started, once, and executes everything else.`,
		Example: `  ngha entrypoint nginx -g "daemon off;"
  ngha entrypoint nginx -t`,
		DisableFlagParsing: true, // what follows is the command's own
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("entrypoint takes the command that the container is to run, such as: nginx -g 'daemon off;'")
			}
			if args[0] == "-h" || args[0] == "--help" {
				return cmd.Help()
			}
			return containerCommand(args, imageEntrypoint, cmd.ErrOrStderr())
		},
	}
}

// containerCommand runs args in the way of an image whose own entrypoint, if it
// has one, is script.
func containerCommand(args []string, script string, stderr io.Writer) error {
	var before []string
	if _, err := exec.LookPath(script); err == nil {
		before = []string{script}
	}
	s := config.Sources{Environ: os.Environ(), Command: args}
	if !supervisor.Serves(args) {
		makeFolder(s)
		return execute(append(before, args...))
	}
	c, err := config.Load(s)
	if err != nil {
		return fail(exitUsage, err)
	}
	if err := ownFolder(); err != nil {
		return fail(exitFailed, err)
	}
	return supervise(c, before, stderr)
}

// ownFolder takes the image's folder for sockets, which is everybody's since the
// image is for whichever user, from all others where this one is root.
func ownFolder() error {
	const folder = "/run/ngha"
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (os.Geteuid() != 0 || info.Mode()&0o022 == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o755); !errors.Is(err, syscall.EROFS) { // else it is nobody's: who needs it will say so
		return err
	}
	return nil
}

// makeFolder makes the folder of the control socket, where the image has nginx's
// status socket too: nginx, which makes no folders, would refuse the image's
// configuration where /run is a fresh tmpfs. Who needs it will say what is wrong.
func makeFolder(s config.Sources) {
	if socket, err := config.Socket(s); err == nil {
		_ = control.MakeFolder(socket)
	}
}

// execute puts a command in the place of this process, or fails as a shell does.
func execute(command []string) error {
	path, err := exec.LookPath(command[0])
	if err == nil {
		err = os.NewSyscallError("execve", syscall.Exec(path, command, os.Environ()))
	}
	code := exitNotExecutable
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	return fail(code, fmt.Errorf("run %s: %w", command[0], err))
}
