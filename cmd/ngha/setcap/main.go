// Command setcap gives programs the capabilities that ngha needs, for users
// other than root. It is for the image's build, in which no setcap(8) is to be
// expected:
//
//	go run ./cmd/ngha/setcap FILE...
//
// The capabilities are permitted (`setcap cap_net_admin,cap_net_raw=p`), and not
// effective as with `=ep`: the kernel refuses to execute a file whose effective
// ones it cannot grant.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	for _, name := range os.Args[1:] {
		if err := unix.Setxattr(name, "security.capability", permitted(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW), 0); err != nil {
			fmt.Fprintf(os.Stderr, "setcap: %s: setxattr: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// revision is VFS_CAP_REVISION_2 of linux/capability.h; the bit below it that
// would make the capabilities effective is not set.
const revision = 0x02000000

// permitted is the kernel's struct vfs_cap_data.
func permitted(capabilities ...uint) []byte {
	data := struct {
		Magic uint32
		Sets  [2]struct{ Permitted, Inheritable uint32 }
	}{Magic: revision}
	for _, c := range capabilities {
		data.Sets[c/32].Permitted |= 1 << (c % 32)
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, data) // a Buffer takes everything
	return b.Bytes()
}
