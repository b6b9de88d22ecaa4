package testenv

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects from the host by TCP to a literal "address:port". Only the
// socket is made on the host's thread; ctx bounds the rest. Any goroutine may
// call it.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	return dial(ctx, h.net.thread, address)
}

// HTTPClient returns a client whose connections are made from the host, to
// literal addresses. It keeps them alive; the caller closes those left idle.
func (h *Host) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return h.Dial(ctx, address) },
	}}
}

// dial connects with a socket made on t: a socket stays in the namespace it
// was made in, so everything else can happen on any thread.
func dial(ctx context.Context, t *thread, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", address, err)
	}
	fd := -1
	err = t.do(func() (err error) {
		fd, err = unix.Socket(family(to.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s: open a socket: %w", address, err)
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	f := os.NewFile(uintptr(fd), address)
	defer f.Close() // FileConn has its own descriptor
	if err := awaitConnected(ctx, f); err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return net.FileConn(f)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// awaitConnected waits until the connection begun on f is made or refused.
func awaitConnected(ctx context.Context, f *os.File) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := f.SetDeadline(deadline); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { f.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			result = err
		case code != 0:
			result = unix.Errno(code)
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil // ENOTCONN: under way
		}
		return true
	})
	if result != nil {
		return result
	}
	return err
}
