package testenv

import (
	"context"
	"os"
)

// TB is the part of *testing.T that a lab needs. A program that is no test
// gets one from Program.
type TB interface {
	Helper()
	Name() string
	Context() context.Context // ends before the cleanups run
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Failed() bool
	Cleanup(f func())
	TempDir() string
	ArtifactDir() string
}

// requireVariable, set to 1, turns every skip for a missing thing into a
// failure: a build that skips everything must not look green.
const requireVariable = "NGHA_REQUIRE_ROOT_TESTS"

// missing skips the test, or fails it where nothing may be skipped.
func missing(t TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(requireVariable) == "1" {
		t.Fatalf(requireVariable+"=1, but "+format, args...)
	}
	t.Skipf(format, args...)
}
