package vrrptest_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"ngha/vrrp/vrrptest"
)

var seed = flag.Uint64("seed", 0, "run TestSim with this seed alone")

// failedOnce are seeds that found a fault once, and the fault.
var failedOnce = []uint64{
	608, // after a retry of the addresses the deadline lay in the past
}

func TestSim(t *testing.T) {
	first, last := uint64(1), uint64(1000)
	switch {
	case *seed != 0:
		first, last = *seed, *seed
	case testing.Short():
		last = 100
	}
	t.Parallel()
	for s := first; s <= last; s++ {
		runSeed(t, "TestSim", ofSim(s))
	}
}

// A tenth as many over IPv6, where nothing but the addresses is different.
func TestSim6(t *testing.T) {
	first, last := uint64(1), uint64(100)
	if *seed != 0 {
		first, last = *seed, *seed
	}
	t.Parallel()
	for s := first; s <= last; s++ {
		runSeed(t, "TestSim6", func(trace io.Writer) error {
			return vrrptest.Sim{Seed: s, IPv6: true, Trace: trace}.Run()
		})
	}
}

func TestSimWithSeedsThatFailedOnce(t *testing.T) {
	for _, s := range failedOnce {
		runSeed(t, "TestSim", ofSim(s))
	}
}

// runSeed runs one seed; when it fails it runs again, the same, with a trace.
func runSeed(t *testing.T, test string, run func(trace io.Writer) error) {
	t.Helper()
	err := run(nil)
	if err == nil {
		return
	}
	var trace strings.Builder
	again := run(&trace)
	if fmt.Sprint(again) != fmt.Sprint(err) {
		t.Errorf("%v: not repeatable, then %v", err, again)
	}
	v, ok := errors.AsType[*vrrptest.Violation](err)
	if !ok {
		t.Fatal(err)
	}
	t.Fatalf("%v\nrepeat: go test ./vrrp/vrrptest -run %s -seed %d\n%s", err, test, v.Seed, tail(trace.String(), 60))
}

// ofSim runs a seed of Sim.
func ofSim(seed uint64) func(io.Writer) error {
	return func(trace io.Writer) error { return vrrptest.Sim{Seed: seed, Trace: trace}.Run() }
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
