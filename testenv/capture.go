package testenv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Capture holds the frames that came to a switch, or to one of its ports, from
// the moment it was opened: all but TCP and UDP, whose mass would push out what
// matters. Each frame is seen as it comes in, before any fault drops it.
type Capture struct {
	lab     *Lab
	name    string
	packets *packets
	file    string // in pcap format, at the end

	done chan struct{} // closed when read has ended

	mu     sync.Mutex // held from a frame's leaving the socket to its being in frames
	frames []Frame
	err    error // that ended the reading too soon
}

const (
	// snapLength is more than any frame of interest has.
	snapLength = 512
	// maxFrames bounds a capture's memory.
	maxFrames = 1 << 20
	// maxErrors in a row end a capture: an interface that goes down is one.
	maxErrors = 10
	// shownFrames are shown at the end of a failed test.
	shownFrames = 80
)

// Capture captures what comes to the switch, each frame once, whichever port
// it came in by. Open it before the daemons start. It is written to the lab's
// directory in pcap format when the lab ends.
func (b *Bridge) Capture() *Capture {
	b.lab.t.Helper()
	return b.capture(b.name)
}

// Capture captures what passes the link's port of the switch, in both
// directions: what the host sent, and what reached it.
func (l *Link) Capture() *Capture {
	l.host.lab.t.Helper()
	return l.bridge.capture(l.port)
}

func (b *Bridge) capture(device string) *Capture {
	b.lab.t.Helper()
	c := &Capture{lab: b.lab, name: device, done: make(chan struct{})}
	b.captures++
	c.file = b.lab.path(fmt.Sprintf("%s-%d.pcap", device, b.captures))
	if err := b.net.do(c.open); err != nil {
		b.lab.t.Fatalf("capture on %s: %v", device, err)
	}
	b.lab.atEnd(c.end)
	go c.read()
	return c
}

func (c *Capture) open() (err error) {
	c.packets, err = openPackets(c.name, noTransport)
	return err
}

// Without leaves out, from now on, what the link's host sends: a flood, which
// would push out what matters.
func (c *Capture) Without(l *Link) {
	c.lab.t.Helper()
	mac := l.MAC()
	notFrom := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(mac), SkipTrue: 3},
		bpf.LoadAbsolute{Off: 10, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(mac[4:])), SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	if err := c.packets.admit(append(notFrom, noTransport...)); err != nil {
		c.lab.t.Fatalf("capture on %s without %s: %v", c.name, l.Host(), err)
	}
}

// noTransport lets everything through but TCP and UDP.
var noTransport = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipFalse: 2},
	bpf.LoadAbsolute{Off: 14 + 9, Size: 1}, // protocol
	bpf.Jump{Skip: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipFalse: 3},
	bpf.LoadAbsolute{Off: 14 + 6, Size: 1}, // next header
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_TCP, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 1},
	bpf.RetConstant{Val: snapLength},
	bpf.RetConstant{Val: 0},
}

// read reads until the socket is closed.
func (c *Capture) read() {
	defer close(c.done)
	for failed := 0; ; {
		var err error
		if closed := c.packets.await(func() bool {
			_, err = c.take()
			return !errors.Is(err, unix.EAGAIN)
		}); closed != nil {
			return
		}
		if err == nil {
			failed = 0
		} else if failed++; failed == maxErrors {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			return
		}
	}
}

// take keeps the next frame that has come, and returns when it did. Where there is
// none the error is EAGAIN.
func (c *Capture) take() (at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, at, err := c.packets.next()
	if err == nil {
		c.add(decodeFrame(data, at))
	}
	return at, err
}

// catchUp keeps all that has come before the call: whoever reads beside it may
// have had no processor since.
func (c *Capture) catchUp() {
	for called := time.Now(); ; {
		if at, err := c.take(); err != nil || at.After(called) {
			return
		}
	}
}

// add is called with mu held.
func (c *Capture) add(f Frame) {
	f.From = c.lab.Owner(f.Src)
	if len(c.frames) == maxFrames {
		c.err = errors.New("there were too many frames: the later ones are missing")
		return
	}
	c.frames = append(c.frames, f)
}

// Frames returns what has come before the call, and maybe more. It fails the test
// when frames are known to be missing: no law can be checked then.
func (c *Capture) Frames() Frames {
	c.lab.t.Helper()
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.lab.t.Fatalf("capture on %s: %v", c.name, c.err)
	}
	return Frames(c.frames[:len(c.frames):len(c.frames)])
}

// Await waits for a frame that meets every condition, at most limit, and
// returns the first. Frames captured before the call count: use After to leave
// them out.
func (c *Capture) Await(what string, limit time.Duration, conditions ...Match) Frame {
	c.lab.t.Helper()
	var found Frame
	seen := 0
	c.lab.Await(what+" on "+c.name, limit, func() error {
		frames := c.Frames()
		for _, f := range frames[seen:] {
			if All(conditions...)(f) {
				found = f
				return nil
			}
		}
		seen = len(frames)
		return fmt.Errorf("none of %d frames is one", seen)
	})
	return found
}

// end closes the capture, checks that nothing is missing and keeps it as a
// file.
func (c *Capture) end() {
	c.catchUp()
	if n, err := c.packets.dropped(); err != nil {
		c.lab.t.Errorf("capture on %s: %v", c.name, err)
	} else if n > 0 {
		c.lab.t.Errorf("capture on %s: the kernel dropped %d frames", c.name, n)
	}
	if err := c.packets.close(); err != nil {
		c.lab.t.Errorf("close the capture on %s: %v", c.name, err)
	}
	<-c.done
	if err := c.write(); err != nil {
		c.lab.t.Errorf("capture on %s: %v", c.name, err)
	}
	if c.lab.t.Failed() {
		c.lab.t.Logf("=== last frames on %s\n%s", c.name, c.tail(shownFrames))
	}
}

// tail shows the last n frames, those of ARP probes left out.
func (c *Capture) tail(n int) string {
	frames := Frames(c.frames).Where(func(f Frame) bool { return !isProbe(f.Src) && !isProbe(f.Dst) })
	var b strings.Builder
	for _, f := range frames[max(0, len(frames)-n):] {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

func (c *Capture) write() error {
	file, err := os.Create(c.file)
	if err != nil {
		return err
	}
	w := pcapgo.NewWriterNanos(file)
	err = w.WriteFileHeader(snapLength, layers.LinkTypeEthernet)
	for _, f := range c.frames {
		if err != nil {
			break
		}
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Data), Length: len(f.Data)}
		err = w.WritePacket(info, f.Data)
	}
	return errors.Join(err, file.Close())
}
