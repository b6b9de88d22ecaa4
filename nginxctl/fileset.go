package nginxctl

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"
)

// FileSet is the files whose content nginx takes over when it loads its
// configuration, the patterns of its includes among them: a file that begins to
// match belongs to it from then on. Files that are read for each request, such
// as auth_basic_user_file, or whose names hold variables, do not belong to it.
//
// Of programs (modules, Perl, Lua, XSLT) it has the files that directives name,
// not what these load in turn; JavaScript's imports are followed.
type FileSet struct {
	main  string // the main configuration file
	bases bases
	files map[string]role // by absolute name
	globs []string        // absolute patterns of includes; sorted
}

// Main is the main configuration file; "" for the zero FileSet.
func (s FileSet) Main() string { return s.main }

// Paths lists the files of the set, sorted: those named, there or not, and those
// that match a pattern now.
func (s FileSet) Paths() ([]string, error) {
	paths := slices.Collect(maps.Keys(s.files))
	for _, g := range s.globs {
		matches, err := glob(g)
		if err != nil {
			return nil, err
		}
		paths = append(paths, matches...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// role is what a file of the set is; one that only a pattern names is
// configuration.
func (s FileSet) role(path string) role {
	if r, ok := s.files[path]; ok {
		return r
	}
	return roleConfiguration
}

// Digest is a SHA-256 over the names and contents of a FileSet's files. The zero
// Digest stands for none.
type Digest [sha256.Size]byte

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return fmt.Errorf("digest %q: not %d hexadecimal digits", text, 2*len(d))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Snapshot is what the files of a FileSet held at one time.
type Snapshot struct {
	sums map[string]fileSum
}

// fileSum is a file's condition. Contents count, not times or modes.
type fileSum struct {
	Kind fileKind
	Sum  Digest // of a regular file
}

type fileKind byte

const (
	fileRegular fileKind = 'f'
	fileMissing fileKind = '-' // or not to be read
	fileOther   fileKind = 'o' // a device, a pipe, a folder
)

// Hash reads all files of the set. It fails when one could not be looked at; one
// that is missing, or that may not be read, is a condition and no failure.
func (s FileSet) Hash(ctx context.Context) (Snapshot, error) {
	paths, err := s.Paths()
	if err != nil {
		return Snapshot{}, err
	}
	snapshot := Snapshot{sums: make(map[string]fileSum, len(paths))}
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return Snapshot{}, fmt.Errorf("hash %s: %w", p, context.Cause(ctx))
		}
		sum, err := readFile(p, io.Discard)
		if err != nil {
			return Snapshot{}, err
		}
		snapshot.sums[p] = sum
	}
	return snapshot, nil
}

// Digest sums the snapshot up; it is zero for the zero Snapshot.
func (s Snapshot) Digest() Digest {
	if s.sums == nil {
		return Digest{}
	}
	h := sha256.New()
	for _, p := range slices.Sorted(maps.Keys(s.sums)) {
		sum := s.sums[p]
		writeBlock(h, p)
		h.Write([]byte{byte(sum.Kind)})
		h.Write(sum.Sum[:])
	}
	return Digest(h.Sum(nil))
}

// writeBlock writes s with its length before it, so that no two lists of strings
// look the same.
func writeBlock(h hash.Hash, s string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	h.Write([]byte(s))
}

// changed lists the files that differ between two snapshots, sorted.
func changed(a, b Snapshot) []string {
	all := maps.Clone(a.sums)
	maps.Copy(all, b.sums)
	var paths []string
	for p := range all {
		if a.of(p) != b.of(p) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// of is a file's condition; one that is not of the set is as good as missing.
func (s Snapshot) of(path string) fileSum {
	if sum, ok := s.sums[path]; ok {
		return sum
	}
	return fileSum{Kind: fileMissing}
}

// readFile copies a regular file's content to w and sums it up.
func readFile(path string, w io.Writer) (fileSum, error) {
	// A pipe without a writer would hold us up for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if isAbsent(err) {
			return fileSum{Kind: fileMissing}, nil
		}
		if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
			return fileSum{Kind: fileOther}, nil // a socket, or a device without a driver
		}
		return fileSum{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fileSum{}, err
	}
	if !fi.Mode().IsRegular() {
		return fileSum{Kind: fileOther}, nil
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(h, w), f); err != nil {
		return fileSum{}, err
	}
	return fileSum{Kind: fileRegular, Sum: Digest(h.Sum(nil))}, nil
}
