package reap

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestChildIsNotSparedWhenMemoryRunsOut(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	score := fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid)
	// To be spared takes a capability. That others are killed first does not.
	if err := os.WriteFile(score, []byte("300"), 0); err != nil {
		t.Fatal(err)
	}
	if err := exposed(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(score); err != nil || string(got) != "300\n" {
		t.Errorf("score %q, %v, want it left alone: this process is not spared", got, err)
	}
	if err := expose(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(score); err != nil || string(got) != "0\n" {
		t.Errorf("score %q, %v, want none", got, err)
	}
}
