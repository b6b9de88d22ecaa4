package interop_test

import (
	"flag"
	"os"
	"testing"
)

// pairsAtOnce is how many pairs run at the same time unless -parallel says
// otherwise: they wait for timers, seconds long, and compute little.
const pairsAtOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", pairsAtOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
