package system_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"ngha/testenv"
)

// contradictions are pairs of virtual routers that cannot be meant so, and what
// each of the two nodes, a and b, calls what it hears of the other. "" is
// nothing, or nothing that is certain.
var contradictions = []struct {
	name               string
	common, a, b       string // lines of the configuration
	addressA, addressB string // "": the same one
	alarmA, alarmB     string
}{
	{name: "versions", a: "version: 2", b: "version: 3", alarmA: "version", alarmB: "version"},
	{name: "intervals-v2", common: "version: 2", a: "interval: 1s", b: "interval: 2s", alarmA: "interval", alarmB: "interval"},
	{name: "passwords", common: "version: 2", a: "password: one", b: "password: two", alarmA: "password", alarmB: "password"},
	{name: "no-password", common: "version: 2", a: "password: one", alarmA: "auth", alarmB: "auth"},
	{name: "addresses", addressB: "%s, 198.51.100.200", alarmA: "", alarmB: "other addresses"},
	{name: "foreign", addressB: "198.51.100.201", alarmA: "", alarmB: "foreign addresses"},
	{name: "intervals", a: "interval: 300ms", b: "interval: 1s", alarmB: "other interval"},
	{name: "checksums", a: "checksum: rfc9568", alarmB: "other checksum"},
	{name: "keys", a: "auth: {keys_file: KEYS1}", alarmA: "unsigned", alarmB: "unexpected trailer"},
	{name: "other-keys", a: "auth: {keys_file: KEYS1}", b: "auth: {keys_file: KEYS2}", alarmA: "unknown key", alarmB: "unknown key"},
	{name: "forged-keys", a: "auth: {keys_file: KEYS1}", b: "auth: {keys_file: FORGED}", alarmA: "signature", alarmB: "signature"},
}

// TestAlarmsNameSenderAndCure puts two nodes beside each other that contradict
// each other in every way, and wants each to say who does what.
func TestAlarmsNameSenderAndCure(t *testing.T) {
	t.Parallel()
	lab := testenv.New(t)
	lan := lab.Bridge("lan")
	files := make(map[string]string)
	for i, name := range []string{"KEYS1", "KEYS2", "FORGED"} {
		files[name] = filepath.Join(lab.Dir(), name)
		writeKeys(t, files[name], i+1)
	}
	forge(t, files["FORGED"])

	mallory := lan.Attach(lab.Host("mallory"), "198.51.100.66/24")
	var nodes [2]*testenv.Node
	for i, name := range []string{"a", "b"} {
		h := lab.Host(name)
		lan.Attach(h, fmt.Sprintf("198.51.100.%d/24", i+1))
		nodes[i] = lab.StartNode(h, testenv.Node{RealTime: true, Config: contradicting(i, files)})
	}
	peers := [2]string{"198.51.100.2", "198.51.100.1"}
	for i, n := range nodes {
		n.AwaitHealth("healthy")
		n.AwaitStatus("aware of all that is wrong", func(status testenv.Status) error { return complains(status, i, peers[i]) })
		out, err := n.CLI("status")
		if err != nil {
			t.Fatal(err, out)
		}
		for _, c := range contradictions {
			if alarm := []string{c.alarmA, c.alarmB}[i]; alarm != "" && !strings.Contains(out, "warning  "+c.name+": "+peers[i]) {
				t.Errorf("ngha status does not warn of %s:\n%s", c.name, out)
			}
		}
	}

	// What no node of ngha says. (What comes from a's own address never comes to
	// it: Linux drops that itself over IPv4.)
	for _, forged := range []struct {
		src           string
		ttl, priority byte
		interval      uint16 // in centiseconds
		alarm         string
		discarded     bool
	}{
		{"198.51.100.66", 64, 254, 100, "ttl", true},
		{"198.51.100.66", 255, 255, 100, "priority 255", false},
		{"198.51.100.66", 255, 2, 4095, "long interval", false},
	} {
		nodes[0].AwaitStatus("aware of "+forged.alarm, func(status testenv.Status) error {
			mallory.SendVRRP(forged.src, forged.ttl, message(spareVRID, forged.priority, forged.interval, spareAddress))
			v := status.VirtualRouters[len(contradictions)]
			for _, a := range v.Alarms {
				if a.Name == forged.alarm && a.Sender.String() == forged.src && a.Discarded == forged.discarded {
					return nil
				}
			}
			return fmt.Errorf("it has %+v", v.Alarms)
		})
	}

	// It ends with what it is about: not yet, where that has an interval of 41 s.
	nodes[1].Kill()
	nodes[0].AwaitStatus("content", func(status testenv.Status) error {
		for _, v := range status.VirtualRouters[:len(contradictions)] {
			if len(v.Alarms) > 0 {
				return fmt.Errorf("%s: %+v", v.Name, v.Alarms)
			}
		}
		for _, w := range status.Warnings {
			if !strings.HasPrefix(w, "spare: ") {
				return fmt.Errorf("it warns: %s", w)
			}
		}
		return nil
	})
}

// The virtual router that only forged messages are about.
const (
	spareVRID    = 99
	spareAddress = "198.51.100.99"
)

// message makes an advertisement of version 3 with one address (RFC 9568
// section 5.1).
func message(vrid, priority byte, interval uint16, address string) []byte {
	b := []byte{0x31, vrid, priority, 1, byte(interval >> 8), byte(interval), 0, 0}
	b = append(b, netip.MustParseAddr(address).AsSlice()...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = sum>>16 + sum&0xffff
	sum = ^(sum>>16 + sum)
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

// forge gives the key in a file, the third one, the first one's number.
func forge(t *testing.T, file string) {
	t.Helper()
	writeKeys(t, file, 3)
	replaceInFile(t, file, "3 hex:", "1 hex:")
}

// contradicting is the configuration of a node, a or b. a is always the better.
func contradicting(i int, files map[string]string) string {
	var b strings.Builder
	b.WriteString("virtual_routers:\n")
	for n, c := range contradictions {
		own, other := c.a, c.addressA
		if i == 1 {
			own, other = c.b, c.addressB
		}
		address := fmt.Sprintf("198.51.100.%d", 100+n)
		if strings.Contains(other, "%s") {
			address = fmt.Sprintf(other, address)
		} else if other != "" {
			address = other
		}
		fmt.Fprintf(&b, "  - name: %s\n    vrid: %d\n    addresses: [%s]\n    priority: %d\n", c.name, 100+n, address, 200-50*i)
		for _, line := range []string{c.common, own} {
			for name, path := range files {
				line = strings.ReplaceAll(line, name, path)
			}
			if line != "" {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	fmt.Fprintf(&b, "  - {name: spare, vrid: %d, addresses: [%s], priority: %d}\n", spareVRID, spareAddress, 200-50*i)
	return b.String()
}

// complains reports what node i does not say yet.
func complains(status testenv.Status, i int, peer string) error {
	for n, c := range contradictions {
		want := []string{c.alarmA, c.alarmB}[i]
		if want == "" {
			continue
		}
		v := status.VirtualRouters[n]
		found := false
		for _, a := range v.Alarms {
			found = found || a.Name == want && a.Sender == netip.MustParseAddr(peer) && a.What != "" && a.Cure != ""
		}
		if !found {
			return fmt.Errorf("%s: no alarm %q about %s, but %+v", c.name, want, peer, v.Alarms)
		}
	}
	return nil
}
