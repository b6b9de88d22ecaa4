package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine tells on what, and beside how much else, was measured.
func machine() string {
	kernel := "Linux"
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		kernel += " " + unix.ByteSliceToString(name.Release[:])
	}
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(b), " ")
	}
	return fmt.Sprintf("%s, %d CPUs, load average at the start %s", kernel, runtime.NumCPU(), load)
}

// versions asks the programs under test what they are; those that are not
// there are left out, since whoever needs them will say so.
func versions(ctx context.Context) []string {
	var found []string
	for _, v := range [][]string{{"keepalived", "--version"}, {"nginx", "-v"}} {
		out, err := exec.CommandContext(ctx, v[0], v[1]).CombinedOutput()
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(out), "\n")
		found = append(found, strings.TrimPrefix(strings.TrimSpace(first), "nginx version: "))
	}
	return append(found, runtime.Version())
}
