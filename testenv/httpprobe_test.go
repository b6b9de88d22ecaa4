package testenv

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestProbeNamesFailures(t *testing.T) {
	t.Parallel()
	lab := New(t)
	lan := lab.Bridge("lan")
	a, client := lab.Host("a"), lab.Host("client")
	lan.Attach(a, "198.51.100.1/24")
	lan.Attach(client, "198.51.100.9/24")
	lab.StartNginx(a, "location = /gone { return 404; } location = /cut { return 444; }")
	eventually(t, "nginx to answer", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := client.Dial(ctx, "198.51.100.1:80")
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	for url, want := range map[string]string{
		"http://198.51.100.1/":     "",
		"http://198.51.100.1:81/":  "refused",
		"http://203.0.113.1/":      "unreachable",
		"http://198.51.100.1/gone": "status",
		"http://198.51.100.1/cut":  "cut short",
		"http://198.51.100.77:80/": "timeout", // the kernel asks by ARP for three seconds
	} {
		limit := loadLimit
		if want == "timeout" {
			limit = attemptLimit
		}
		probe := client.ProbeHTTPWithin(url, 20*time.Millisecond, limit)
		eventually(t, "answers", func() error {
			if n := len(probe.Result().Samples); n < 3 {
				return fmt.Errorf("%d samples", n)
			}
			return nil
		})
		r := probe.Stop()
		for _, s := range r.Samples {
			if s.Failure != want {
				t.Errorf("%s failed by %q, want %q", url, s.Failure, want)
				break
			}
		}
		if want == "" && r.Servers()[0].Server != "a" {
			t.Errorf("%s was answered by %v", url, r.Servers())
		}
	}
}
