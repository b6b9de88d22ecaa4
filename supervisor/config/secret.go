package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSecret bounds what is read of a file with secrets.
const maxSecret = 64 << 10

// readSecret reads a file that nobody else may read. It opens nothing that
// would make it wait.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return "", fmt.Errorf("%s is no regular file", path)
	case mode.Perm()&0o077 != 0:
		return "", fmt.Errorf("%s has mode %#o, so that others can read or change it: it needs %#o", path, mode.Perm(), mode.Perm()&0o700)
	case info.Size() > maxSecret:
		return "", fmt.Errorf("%s is larger than %d KiB", path, maxSecret>>10)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return string(text), err
}

// secretCure says what helps against an error of readSecret about path.
func secretCure(path string, err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "create it, or correct the path"
	}
	return fmt.Sprintf("chmod 600 %s, and let root own it", path)
}

// secretKey matches a key whose value may be a secret, slips of the keys and
// keepalived's words included, and the colon behind it.
var secretKey = regexp.MustCompile(`(?i)(?:[\w-]*(?:pas|secret)[\w-]*|\bkeys)["']?\s*:`)

// masked returns lines as messages may show them: nothing of what stands behind
// a key with a secret, nor of what is indented below it.
func masked(lines []string) []string {
	out := slices.Clone(lines)
	below := -1 // the column of such a key; -1: none
	for i, line := range lines {
		text := strings.TrimLeft(line, " \t")
		if indent := len(line) - len(text); below >= 0 && text != "" && indent > below {
			out[i] = line[:indent] + stars(text)
			continue
		}
		if text != "" {
			below = -1
		}
		for _, at := range secretKey.FindAllStringIndex(line, -1) {
			if name := strings.TrimRight(line[at[0]:at[1]], "\"' :\t"); !strings.HasSuffix(name, "_file") {
				out[i], below = line[:at[1]]+stars(line[at[1]:]), at[0]
				break
			}
		}
	}
	return out
}

// stars is as wide as text.
func stars(text string) string { return strings.Repeat("*", len([]rune(text))) }
