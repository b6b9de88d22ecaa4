package main

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/status"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample is a node with something to tell in every field that is printed.
func sample() status.Status {
	return status.Status{
		Node: "web-1", Version: "1.2.3", Started: noon.Add(-75 * time.Hour),
		Health: status.Health{
			Healthy: true, State: "healthy", Reason: "the status endpoint answers", Since: noon.Add(-3*time.Hour - 12*time.Minute),
			URL: "http://127.0.0.1:8080/stub_status",
		},
		Nginx: status.Nginx{
			PID: 42, Version: "1.22.1", Generation: 3, Configuration: "stale", Copy: true, Restarts: 1, Since: noon.Add(-90 * time.Second),
			Lingering: []status.Lingering{{Generation: 1, Workers: 1}, {Generation: 2, Workers: 4}},
			Reason:    "nginx: [emerg] unknown directive \"lisen\"\nin /etc/nginx/nginx.conf:12",
		},
		VirtualRouters: []status.VirtualRouter{
			{
				Name: "web", VRID: 51, Interface: "eth0", State: "active", Priority: 200, Since: noon.Add(-3 * time.Hour), Reason: "no advertisement within 3.2s",
				Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32"), netip.MustParsePrefix("198.51.100.101/24")},
			},
			{
				Name: "api", VRID: 52, Interface: "eth0", State: "backup", Priority: 100, Since: noon.Add(-5 * time.Second), Reason: "priority 150 of 198.51.100.3 is higher",
				Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.102/32")},
				Active:    &status.Peer{Address: netip.MustParseAddr("198.51.100.3"), Priority: 150},
			},
			{
				Name: "vrid-53", VRID: 53, State: "initialize", Since: noon.Add(-75 * time.Hour), Reason: "no interface has 203.0.113.100 in its network",
				Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.100/32")},
			},
			{
				Name: "mail", VRID: 54, Interface: "eth1", State: "active", Priority: 1, Since: noon, Reason: "",
				Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.101/32")},
			},
		},
		Warnings: []string{"peer web-2 of web does not resolve\x1b[31m"},
		HooksRun: 7, HooksFailed: 2, LogsDropped: 12,
	}
}

func TestRender(t *testing.T) {
	tests := map[string]struct {
		status status.Status
		want   string
	}{
		"all there is": {sample(), `node     web-1
ngha     1.2.3, up 3d03h
health   healthy for 3h12m: the status endpoint answers
asked    http://127.0.0.1:8080/stub_status
nginx    1.22.1, pid 42 for 1m30s, generation 3, configuration stale (runs from a copy of the last good one), restarted once
         nginx: [emerg] unknown directive "lisen" in /etc/nginx/nginx.conf:12
         5 workers of earlier configurations finish what they serve
warning  peer web-2 of web does not resolve [31m
warning  2 of 7 hook runs failed
warning  12 log lines were dropped, since nobody read them in time

ROUTER   VRID  INTERFACE  ADDRESS            STATE            FOR    PRIORITY  ACTIVE NODE         REASON
web      51    eth0       198.51.100.100     active (master)  3h00m  200       this one            no advertisement within 3.2s
                          198.51.100.101/24
api      52    eth0       198.51.100.102     backup           5s     100       198.51.100.3 (150)  priority 150 of 198.51.100.3 is higher
vrid-53  53    -          203.0.113.100      initialize       3d03h  0         none heard          no interface has 203.0.113.100 in its network
mail     54    eth1       203.0.113.101      active           0s     1         this one            -
`},
		"before the first start": {
			status.Status{
				Node: "web-1", Version: "1.2.3", Started: noon.Add(time.Second), // the other clock is ahead
				Health: status.Health{State: "starting"},
				Nginx:  status.Nginx{Configuration: "unknown", Restarts: 3},
			}, `node     web-1
ngha     1.2.3, up 0s
health   starting
nginx    not running, configuration unknown, restarted 3 times
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Render(&b, test.status, noon); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("Render (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAgeHasTwoUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0s",
		999 * time.Millisecond:          "0s",
		59 * time.Second:                "59s",
		time.Minute:                     "1m00s",
		time.Hour - 1:                   "59m59s",
		time.Hour + 5*time.Minute:       "1h05m",
		24*time.Hour - 1:                "23h59m",
		49 * time.Hour:                  "2d01h",
		1000*24*time.Hour + 2*time.Hour: "1000d02h",
	} {
		if got := age(noon.Add(-d), noon); got != want {
			t.Errorf("age of %s: %q, want %q", d, got, want)
		}
	}
}
