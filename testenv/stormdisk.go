package testenv

import (
	"fmt"
	"strings"
	"sync"
)

const (
	stormMark   = "# STORM"
	stormPath   = "/version"
	stormBroken = "nonsense;"
	stormFault  = `unknown directive "nonsense"`
)

// stormDisk is nginx's configuration on disk. Whoever asks between turning and
// the turn's end cannot know what nginx will find.
type stormDisk struct {
	path, text string

	writing sync.Mutex // held while the file is changed; taken before mu

	mu  sync.Mutex
	now diskState
}

type diskState struct {
	version int  // the last one written whole
	broken  bool // what is there now is no version
	turn    int  // counts from good to broken, and back
	turning bool // on the way
}

func (d *stormDisk) state() diskState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *stormDisk) set(f func(*diskState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.now)
}

func (d *stormDisk) write(directives string) error {
	return writeWhole(d.path, strings.Replace(d.text, stormMark, directives, 1))
}

func (d *stormDisk) spoil() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.set(func(s *diskState) { s.turning = true })
	err := d.write(stormBroken)
	d.set(func(s *diskState) { s.turning, s.broken, s.turn = false, true, s.turn+1 })
	return err
}

// mend writes the next version in place of what is broken, or of the one before.
func (d *stormDisk) mend() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.next()
}

// renew writes the next version, unless what is there is broken.
func (d *stormDisk) renew() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.state().broken {
		return nil
	}
	return d.next()
}

func (d *stormDisk) next() error {
	now := d.state()
	version := now.version + 1
	d.set(func(s *diskState) { s.turning = now.broken })
	err := d.write(fmt.Sprintf(`location = %s { return 200 "%d\n"; }`, stormPath, version))
	d.set(func(s *diskState) {
		s.version = version
		if now.broken {
			s.turning, s.broken, s.turn = false, false, s.turn+1
		}
	})
	return err
}
