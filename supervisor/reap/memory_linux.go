package reap

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// exposed takes from a child what spares this process when memory runs out
// (oom_score_adj in proc(5)): of all, nginx's workers are those that may use it
// up, and are replaced at once. The child has no children yet.
func exposed(pid int) error {
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return err
	}
	score, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil || score >= 0 {
		return err
	}
	return expose(pid)
}

func expose(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
}
