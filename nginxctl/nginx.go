package nginxctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Spawner starts processes and waits for them. A program that reaps strangers
// (process 1 of a container) gives its own, so that our children's exit status
// is left to us. Start runs cmd.Start on the calling goroutine, whose thread
// has been prepared for the child; Wait returns what cmd.Wait returned.
type Spawner interface {
	Start(cmd *exec.Cmd) error
	Wait(cmd *exec.Cmd) error
}

// Nginx says which nginx to run, and how. The zero value runs "nginx" with its
// default configuration, on our own standard output and error.
type Nginx struct {
	Command        []string // nginx with its arguments, or a wrapper that execs it; nil: nginx
	Env            []string // nil: our own. NGINX and NGHA_* are taken out either way
	Stdout, Stderr *os.File // nil: our own. Handed over as they are, nothing is copied
	Spawner        Spawner  // nil: exec.Cmd's own Start and Wait

	// KeepCapabilities leaves CAP_NET_ADMIN and CAP_NET_RAW to nginx, which
	// needs them for `proxy_bind ... transparent` and for nothing else.
	KeepCapabilities bool
}

// Find reports whether the programs that Command names are there and may be
// executed. Its error says what to do.
func (n Nginx) Find() error {
	c := n.command()
	words := []string{c.program}
	if len(c.wrapper) > 0 {
		words = append(words, c.wrapper[0])
	}
	var errs []error
	for _, w := range words {
		_, err := exec.LookPath(w)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrPermission):
			errs = append(errs, fmt.Errorf("%s may not be executed by this user: see its mode with ls -l", w))
		case isNginx(w):
			errs = append(errs, fmt.Errorf("%s not found: install nginx, or say where it is: ngha run -- /path/to/nginx", w))
		default:
			errs = append(errs, fmt.Errorf("%s not found: see nginx.command, or what follows -- on the command line", w))
		}
	}
	return errors.Join(errs...)
}

// Direct returns n without its wrapper: nginx itself with the same arguments.
// A command that hides nginx stays as it is.
func (n Nginx) Direct() Nginx {
	if c := n.command(); !c.hidden {
		n.Command = append([]string{c.program}, c.args...)
	}
	return n
}

// Wrapped reports whether something stands before nginx in Command, such as an
// image's entrypoint script.
func (n Nginx) Wrapped() bool { return len(n.command().wrapper) > 0 }

func (n Nginx) command() command {
	if len(n.Command) == 0 {
		return splitCommand([]string{"nginx"})
	}
	return splitCommand(n.Command)
}

// environ is the child's environment. NGINX= would make nginx take over
// descriptors that it does not have.
func (n Nginx) environ() []string {
	env := n.Env
	if env == nil {
		env = os.Environ()
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return strings.HasPrefix(kv, "NGINX=") || strings.HasPrefix(kv, "NGHA_")
	})
}

func (n Nginx) stdout() *os.File {
	if n.Stdout != nil {
		return n.Stdout
	}
	return os.Stdout
}

func (n Nginx) stderr() *os.File {
	if n.Stderr != nil {
		return n.Stderr
	}
	return os.Stderr
}
