package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// devconf are those of an interface's IPv4 settings which decide whether a second
// interface on the same LAN can have addresses of its own
// (Documentation/networking/ip-sysctl.rst of the kernel).
type devconf struct {
	arpIgnore   uint32 // 1: answer for an address only on the interface that has it
	arpAnnounce uint32 // 2: ask others in the name of none but the interface's own address
	rpFilter    uint32 // 1: drop what comes in where the answer would not go out; 2: where no answer would
	arpFilter   uint32 // 1: answer only where the answer would go out
}

// The numbers of these settings in IFLA_INET_CONF (linux/ip.h).
const (
	devconfRPFilter    = 8
	devconfARPFilter   = 13
	devconfARPAnnounce = 18
	devconfARPIgnore   = 19
)

func (c *devconf) fields() map[uint16]*uint32 {
	return map[uint16]*uint32{
		devconfARPIgnore:   &c.arpIgnore,
		devconfARPAnnounce: &c.arpAnnounce,
		devconfRPFilter:    &c.rpFilter,
		devconfARPFilter:   &c.arpFilter,
	}
}

// forFace is c as it must be on a face and on its parent. The kernel obeys the
// greater one of an interface's and of all's.
func (c devconf) forFace(all devconf) devconf {
	c.arpIgnore = max(c.arpIgnore, 1)
	c.arpAnnounce = 2 // or a client would learn the parent's MAC address when it is asked for its own
	if max(c.rpFilter, all.rpFilter) == 1 {
		c.rpFilter = 2
	}
	c.arpFilter = 0
	return c
}

// String is what parseDevconf reads.
func (c devconf) String() string {
	return fmt.Sprintf("arp_ignore=%d arp_announce=%d rp_filter=%d arp_filter=%d", c.arpIgnore, c.arpAnnounce, c.rpFilter, c.arpFilter)
}

func parseDevconf(s string) (c devconf, err error) {
	_, err = fmt.Sscanf(s, "arp_ignore=%d arp_announce=%d rp_filter=%d arp_filter=%d", &c.arpIgnore, &c.arpAnnounce, &c.rpFilter, &c.arpFilter)
	return c, err
}

// devconfOfAll reads those of the settings for every interface, of the calling
// thread's network namespace, which can be stricter than needed.
func devconfOfAll() (c devconf, err error) {
	for name, field := range map[string]*uint32{"rp_filter": &c.rpFilter, "arp_filter": &c.arpFilter} {
		b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf/all", name))
		if err != nil {
			return devconf{}, err
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
		if err != nil {
			return devconf{}, fmt.Errorf("net.ipv4.conf.all.%s: %w", name, err)
		}
		*field = uint32(n)
	}
	return c, nil
}

// devconf reads the settings of an interface.
func (r *requests) devconf(index int) (c devconf, err error) {
	m, err := r.ask(aboutLink(unix.RTM_GETLINK, 0, index))
	if err != nil {
		return devconf{}, err
	}
	all, err := nested(m[min(unix.SizeofIfInfomsg, len(m)):], unix.IFLA_AF_SPEC, unix.AF_INET, unix.IFLA_INET_CONF)
	if err != nil {
		return devconf{}, err
	}
	for number, field := range c.fields() {
		at := 4 * (int(number) - 1)
		if at+4 > len(all) {
			return devconf{}, errors.New("the kernel does not tell the interface's IPv4 settings")
		}
		*field = binary.NativeEndian.Uint32(all[at:])
	}
	return c, nil
}

// aboutLink begins a request about an interface.
func aboutLink(kind, flags uint16, index int) message {
	m := append(newMessage(kind, flags), unix.AF_UNSPEC, 0, 0, 0) // struct ifinfomsg
	m = append(m, number(uint32(index))...)
	return append(m, make([]byte, 8)...)
}

// nested finds an attribute in attributes; nil: it is not there.
func nested(b []byte, path ...uint16) ([]byte, error) {
	for _, kind := range path {
		attrs, err := nl.ParseRouteAttr(b)
		if err != nil {
			return nil, err
		}
		b = nil
		for _, a := range attrs {
			if a.Attr.Type&^unix.NLA_F_NESTED == kind {
				b = a.Value
			}
		}
	}
	return b, nil
}

// setDevconf sets the settings of an interface. Unlike /proc/sys, which
// containers cannot write to, netlink asks for NET_ADMIN alone.
func (r *requests) setDevconf(index int, c devconf) error {
	var conf, inet, spec message
	for kind, field := range c.fields() {
		conf = conf.attribute(kind, number(*field))
	}
	inet = inet.attribute(unix.IFLA_INET_CONF, conf)
	spec = spec.attribute(unix.AF_INET, inet)
	return r.do(aboutLink(unix.RTM_SETLINK, unix.NLM_F_ACK, index).attribute(unix.IFLA_AF_SPEC, spec))
}

// restoreDevconf undoes what forFace has made of before, but for what somebody
// has changed since then. It is no error when the interface is gone.
func (r *requests) restoreDevconf(index int, before, made devconf) error {
	now, err := r.devconf(index)
	if errors.Is(err, syscall.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	old, then, field := before.fields(), made.fields(), now.fields()
	for number := range field {
		if *field[number] == *then[number] {
			*field[number] = *old[number]
		}
	}
	return r.setDevconf(index, now)
}
