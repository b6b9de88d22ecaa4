package metrics

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ngha/supervisor/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

// filled is a status in which no figure is left out.
func filled() status.Status {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	return status.Status{
		Node: "a", Version: "1.2.3", Started: at,
		Health: status.Health{
			Healthy: true, State: "healthy", Reason: "nginx answers", Since: at.Add(time.Second),
			Probes: status.Probes{Answered: 1000, Failed: 3, Took: 160 * time.Microsecond},
		},
		Nginx: status.Nginx{
			PID: 17, Generation: 4, Configuration: "stale", Reason: "unknown directive", Copy: true, Since: at,
			Restarts: 1, Reloads: 5, ReloadsFailed: 2, Workers: 8, WorkerCrashes: 21,
			Lingering:   []status.Lingering{{Generation: 2, Workers: 1, Since: at}, {Generation: 3, Workers: 6, Since: at}},
			Connections: status.Connections{Active: 9, Accepted: 100, Handled: 99, Requests: 500, Reading: 1, Writing: 2, Waiting: 6},
		},
		VirtualRouters: []status.VirtualRouter{
			{
				Name: "web", VRID: 51, Interface: "eth0", State: "active", Priority: 200, Since: at.Add(2 * time.Second),
				Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/32"), netip.MustParsePrefix("2001:db8::100/128")},
				Active:    &status.Peer{Address: netip.MustParseAddr("198.51.100.2"), Priority: 200},
				Alarms: []status.Alarm{
					{Name: "version", Sender: netip.MustParseAddr("198.51.100.3"), Discarded: true, Count: 21, Since: at},
					{Name: "version", Discarded: true, Count: 22, Since: at},
					{Name: "other addresses", Sender: netip.MustParseAddr("198.51.100.2"), Count: 23, Since: at},
				},
				Counters: status.Counters{
					AdvertisementsSent: 10, AdvertisementsReceived: 20, ChecksumsPseudoHeader: 13, ChecksumsRFC9568: 14, Discarded: map[string]uint64{"ttl": 1, "checksum": 2},
					PriorityZeroSent: 3, PriorityZeroReceived: 4, BecameActive: 5, LeftActive: 6, Contradictions: 7,
					Announcements: 8, SendErrors: 11, AddressErrors: 12, PacketsLost: 13,
					Lateness: status.Lateness{
						Buckets: []uint64{50, 4, 3, 0, 0, 0, 0, 0, 0, 2, 1},
						Max:     700 * time.Millisecond, Sum: 1234 * time.Millisecond,
					},
				},
			},
			{Name: "mail", VRID: 52, State: "initialize", Since: at},
		},
		Warnings: []string{"peer b.example does not resolve"},
		HooksRun: 14, HooksFailed: 13, LogsDropped: 15,
	}
}

// scrape returns ngha's own lines of what a scrape of s shows.
func scrape(t *testing.T, s status.Status) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(func() status.Status { return s }, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d: %s", w.Code, w.Body)
	}
	var own strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "ngha_") {
			own.WriteString(line)
		}
	}
	return own.String()
}

func TestExposition(t *testing.T) {
	got := scrape(t, filled())
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("exposition (-want +got):\n%s", diff)
	}
}

// TestEveryFigureIsShown gives each numeric field of a Status a value of its
// own and looks for it among the samples.
func TestEveryFigureIsShown(t *testing.T) {
	s := filled()
	s.VirtualRouters = s.VirtualRouters[:1]
	numbers := make(map[string]float64) // field: value
	next := 100
	number(reflect.ValueOf(&s).Elem(), "Status", &next, numbers)
	if len(numbers) < 30 {
		t.Fatalf("%d numeric fields found", len(numbers))
	}

	shown := make(map[float64]bool)
	for line := range strings.Lines(scrape(t, s)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		shown[v] = true
	}
	// These are labels.
	delete(numbers, "Status.VirtualRouters[0].VRID")
	delete(numbers, "Status.Nginx.Lingering[0].Generation")
	delete(numbers, "Status.Nginx.Lingering[1].Generation")
	for field, v := range numbers {
		if !shown[v] {
			t.Errorf("%s = %v is not shown", field, v)
		}
	}
}

// number fills v with distinct numbers, as whole seconds where it is a duration
// or an instant, and notes them.
func number(v reflect.Value, name string, next *int, notes map[string]float64) {
	switch v.Interface().(type) {
	case time.Time:
		*next++
		v.Set(reflect.ValueOf(time.Unix(int64(*next), 0)))
		notes[name] = float64(*next)
		return
	case time.Duration:
		*next++
		v.SetInt(int64(*next) * int64(time.Second))
		notes[name] = float64(*next)
		return
	case netip.Addr, netip.Prefix:
		return
	case status.Alarm: // there may be one for every address that a forger thinks of
		return
	case status.Lateness:
		// Its buckets are shown summed up, which the golden file holds.
		number(v.FieldByName("Max"), name+".Max", next, notes)
		number(v.FieldByName("Sum"), name+".Sum", next, notes)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), name+"."+v.Type().Field(i).Name, next, notes)
		}
	case reflect.Pointer:
		number(v.Elem(), name, next, notes)
	case reflect.Slice:
		for i := range v.Len() {
			number(v.Index(i), fmt.Sprintf("%s[%d]", name, i), next, notes)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			number(e, fmt.Sprintf("%s[%v]", name, key), next, notes)
			v.SetMapIndex(key, e)
		}
	case reflect.Int, reflect.Int64:
		*next++
		v.SetInt(int64(*next))
		notes[name] = float64(*next)
	case reflect.Uint8, reflect.Uint64:
		*next++
		v.SetUint(uint64(*next))
		notes[name] = float64(*next)
	case reflect.String, reflect.Bool:
	default:
		panic("a kind of field that this test does not know: " + name)
	}
}

func TestStatesAreOneGaugeEach(t *testing.T) {
	s := filled()
	for _, state := range []string{"starting", "healthy", "repairing", "ill", "a new one"} {
		s.Health.State = state
		var on []string
		for line := range strings.Lines(scrape(t, s)) {
			if strings.HasPrefix(line, "ngha_health_state{") && strings.HasSuffix(line, " 1\n") {
				on = append(on, strings.TrimSpace(line))
			}
		}
		if diff := cmp.Diff([]string{fmt.Sprintf("ngha_health_state{state=%q} 1", state)}, on); diff != "" {
			t.Errorf("gauges that are 1 (-want +got):\n%s", diff)
		}
	}
}

func TestNamesThatOthersChoseDoNotHarm(t *testing.T) {
	s := filled()
	s.VirtualRouters[0].Interface = "eth\xff\"\n0"
	if got, want := scrape(t, s), `interface="eth`+"\uFFFD"+`\"\n0"`; !strings.Contains(got, want) {
		t.Errorf("no %s in:\n%s", want, got)
	}
	s = filled()
	s.VirtualRouters[1] = s.VirtualRouters[0] // a mistake, of which the scrape must survive
	if got := scrape(t, s); !strings.Contains(got, "ngha_healthy 1") {
		t.Errorf("two of the same name hid the rest:\n%s", got)
	}
}

func TestListenSaysThatThePortIsTaken(t *testing.T) {
	first, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	addr := first.Addr().String()
	_, err = Listen(addr)
	if err == nil {
		t.Fatal("no error")
	}
	want := "metrics on " + addr + ": address already in use; end what listens there, or choose another one (metrics.listen, --metrics)"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	for _, wrong := range []string{"9650", "203.0.113.7:9650", "127.0.0.1:port-of-nobody"} {
		if l, err := Listen(wrong); err == nil {
			l.Close()
			t.Errorf("Listen(%q): no error", wrong)
		}
	}
}

func TestServe(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Server{Snapshot: filled}.Serve(ctx, l) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, want := range []string{"ngha_healthy 1", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(string(body), "\n"+want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("still listening after the end")
	}
}
