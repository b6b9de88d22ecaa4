package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ngha/supervisor"
	"ngha/supervisor/config"
)

// serviceFile is the unit, and a property in it.
func serviceFile(t *testing.T) (text string, property func(name string) string) {
	t.Helper()
	b, err := os.ReadFile("ngha.service")
	if err != nil {
		t.Fatal(err)
	}
	return string(b), func(name string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("the unit says nothing of %s", name)
		}
		return string(m[1])
	}
}

func TestSystemdUnderstandsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	text, _ := serviceFile(t)
	there := filepath.Join(t.TempDir(), "ngha.service")
	if err := os.WriteFile(there, []byte(strings.ReplaceAll(text, "/usr/bin/ngha", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", there).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestUnitGoesWithTheProgram(t *testing.T) {
	_, property := serviceFile(t)
	c, err := config.Load(config.Sources{File: filepath.Join(t.TempDir(), "none"), Environ: []string{"NGHA_NODE=a"}})
	if err != nil {
		t.Fatal(err)
	}
	if limit, err := time.ParseDuration(property("TimeoutStopSec")); err != nil || limit < c.Nginx.Shutdown+10*time.Second {
		t.Errorf("TimeoutStopSec %v (%v), want more than the default of nginx.shutdown, %v", limit, err, c.Nginx.Shutdown)
	}
	if property("RestartPreventExitStatus") != "2" || exitUsage != 2 {
		t.Error("a restart does not cure a configuration")
	}
	// systemd counts from the C library's first one.
	if property("RestartKillSignal") != "RTMIN+1" || supervisor.Leave != 34+1 {
		t.Error("a restart does not leave nginx to the next ngha")
	}
}

// The example in the package, as it is and with everything in it taken in.
func TestPackagesSettingsHold(t *testing.T) {
	b, err := os.ReadFile("debian/ngha.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"as it is":  string(b),
		"all of it": regexp.MustCompile(`(?m)^#( *-|[a-z_]+:|    )`).ReplaceAllString(string(b), "$1"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ngha.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(config.Sources{File: file, Environ: []string{"NGHA_NODE=a"}})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if routers := len(c.VirtualRouters); c.Nginx.State != "/var/lib/ngha/nginx-lastgood" || routers != map[string]int{"all of it": 1}[name] {
				t.Errorf("state in %s, %d virtual routers", c.Nginx.State, routers)
			}
		})
	}
}
