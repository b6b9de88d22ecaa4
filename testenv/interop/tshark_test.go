package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"ngha/testenv"
)

// TestTsharkUnderstandsNgha has an independent decoder read what ngha says in
// each version and dialect, its releases included.
func TestTsharkUnderstandsNgha(t *testing.T) {
	t.Parallel()
	tshark := testenv.RequireBinary(t, "tshark")
	lab := testenv.New(t)
	lan := lab.Bridge("lan")
	capture := lan.Capture()
	// A line for each advertisement, as tshark shows it: version, type, VRID,
	// priority, interval in seconds or centiseconds, count, addresses, whether
	// the checksum is right, what is wrong with the packet.
	for i, c := range []struct {
		node    testenv.Node
		options []string
		want    string
	}{
		{testenv.Node{Version: 2, Interval: 2 * time.Second}, nil, "2|1|41|%d|2||2|198.51.100.100,198.51.100.7||1|"},
		{testenv.Node{Version: 3, Interval: 300 * time.Millisecond}, nil, "3|1|42|%d||30|2|198.51.100.101,198.51.100.8||1|"},
		{testenv.Node{Version: 3, Interval: 300 * time.Millisecond, Router: "checksum: rfc9568"},
			[]string{"-o", "vrrp.v3_checksum_as_in_v2:TRUE"}, "3|1|43|%d||30|2|198.51.100.102,198.51.100.9||1|"},
		{testenv.Node{Version: 3, Interval: 300 * time.Millisecond, VIPs: []string{"2001:db8::103", "fe80::10"}}, nil,
			"3|1|44|%d||30|2||fe80::10,2001:db8::103|1|"},
	} {
		n := c.node
		n.VRID, n.Priority, n.Env = 41+i, 123, quickEnd
		if n.VIPs == nil {
			n.VIPs = []string{fmt.Sprintf("198.51.100.%d", 100+i), fmt.Sprintf("198.51.100.%d", 7+i)}
		}
		host := lab.Host(fmt.Sprintf("node%d", i))
		link := lan.Attach(host, fmt.Sprintf("198.51.100.%d/24", 1+i), fmt.Sprintf("2001:db8::%d/64", 1+i))
		node := lab.StartNode(host, n)
		capture.Await("an advertisement", limit, testenv.IsAdvert(n.VRID), testenv.From(link))
		node.AwaitHealth("healthy")
		node.Process().Signal(unix.SIGTERM)
		node.Process().AwaitExit()
		capture.Await("a release", limit, testenv.IsAdvert(n.VRID), testenv.From(link), testenv.WithPriority(0))

		adverts := capture.Frames().Where(testenv.IsAdvert(n.VRID), testenv.From(link))
		var want []string
		for _, f := range adverts {
			want = append(want, fmt.Sprintf(c.want, f.Advert.Priority))
		}
		file := filepath.Join(t.TempDir(), "adverts.pcap")
		writePcap(t, file, adverts)
		if diff := cmp.Diff(want, decode(t, tshark, file, c.options)); diff != "" {
			t.Errorf("version %d, vrid %d (-want +got):\n%s", n.Version, n.VRID, diff)
		}
	}
}

// decode has tshark show each packet of a file in a line.
func decode(t *testing.T, tshark, file string, options []string) []string {
	t.Helper()
	args := append([]string{"-n", "-r", file, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"}, options...)
	for _, field := range []string{
		"vrrp.version", "vrrp.type", "vrrp.virt_rtr_id", "vrrp.prio", "vrrp.adver_int", "vrrp.short_adver_int",
		"vrrp.addr_count", "vrrp.ip_addr", "vrrp.ipv6_addr", "vrrp.checksum.status", "_ws.expert.message",
	} {
		args = append(args, "-e", field)
	}
	cmd := exec.CommandContext(t.Context(), tshark, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func writePcap(t *testing.T, name string, frames testenv.Frames) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := pcapgo.NewWriterNanos(file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Data), Length: len(f.Data)}
		if err := w.WritePacket(info, f.Data); err != nil {
			t.Fatal(err)
		}
	}
}
