package nginxctl

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
)

// DetachedError says that files were mounted from elsewhere, a container's host
// for example, and replaced there: what is mounted is the old file, which has no
// name any more, and no change will ever be seen again.
type DetachedError struct {
	Paths []string // what is mounted, sorted
}

func (e *DetachedError) Error() string {
	return strings.Join(e.Paths, ", ") + ": was replaced where it is mounted from, and the mount still shows the old one: " +
		"start the container anew, and mount the directory that holds it instead, so that the next replacement is seen"
}

// detached finds the mounts on the way to the files whose source has lost its
// name. It returns a nil error of its own type where there is none.
func (p *watchPoints) detached() (*DetachedError, error) {
	mounts, err := deletedMounts()
	if err != nil {
		return nil, err
	}
	paths := slices.Clone(p.gone)
	for _, m := range mounts {
		if p.files[m] || p.dirs[m] != nil {
			paths = append(paths, m)
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	slices.Sort(paths)
	return &DetachedError{Paths: slices.Compact(paths)}, nil
}

// deletedMounts lists the mount points whose source is a deleted file or folder.
func deletedMounts() ([]string, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // overlay's options are long
	for lines.Scan() {
		// 36 35 98:0 /source//deleted /mount/point rw,noatime ...
		words := strings.Fields(lines.Text())
		if len(words) > 4 && strings.HasSuffix(words[3], "//deleted") {
			points = append(points, unescapeMount(words[4]))
		}
	}
	return points, lines.Err()
}

// unescapeMount undoes the kernel's octal escapes for space, tab, line end and
// backslash.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
