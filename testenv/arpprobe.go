package testenv

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ARPProbe asks again and again who has an address, by ARP or, for IPv6, by
// Neighbor Solicitation, and notes everyone who answers. It does not disturb: its
// requests come from hardware addresses nobody has, the ARP ones without a sender
// address (RFC 5227) and those of IPv6 from one that nobody has, so that neither
// the asked nor the kernel of the asking host learns anything of use from them.
type ARPProbe struct {
	lab    *Lab
	target netip.Addr
	every  time.Duration
	handle *pcapgo.EthernetHandle
	out    int // socket
	index  int // of the interface
	source net.HardwareAddr
	from   netip.Addr // over IPv6

	quit chan struct{}
	stop sync.Once
	wg   sync.WaitGroup

	mu       sync.Mutex
	requests ARPResult
	err      error
}

// ARPRequest is one request and who answered it.
type ARPRequest struct {
	At       time.Time
	Answered []string // by hardware address: "a/eth0"; most often one
}

// ARPResult is what an ARP probe saw.
type ARPResult []ARPRequest

// probePrefix begins the hardware addresses that ARP probes ask from; no host's
// begins so.
const probePrefix = 0x06

func isProbe(mac net.HardwareAddr) bool { return len(mac) > 0 && mac[0] == probePrefix }

// ProbeARP begins to ask the network of link, from its host, who has the
// address, once every so often, until Stop or the lab's end.
func (l *Link) ProbeARP(address string, every time.Duration) *ARPProbe {
	lab := l.host.lab
	lab.t.Helper()
	p := &ARPProbe{lab: lab, every: every, quit: make(chan struct{})}
	lab.arpProbes++
	// The last byte tells which request an answer belongs to.
	p.source = net.HardwareAddr{probePrefix, 0, 0, 0, byte(lab.arpProbes), 0}
	p.from = probeSource(lab.arpProbes)
	err := l.host.Do(func() error { return p.open(l, address) })
	if err != nil {
		lab.t.Fatalf("probe %s by ARP from %s: %v", address, l.host.name, err)
	}
	lab.atEnd(func() { p.Stop() })
	p.wg.Go(p.send)
	p.wg.Go(p.receive)
	return p
}

func (p *ARPProbe) open(l *Link, address string) error {
	var err error
	if p.target, err = parseAddr(address); err != nil {
		return err
	}
	link, err := net.InterfaceByName(l.name)
	if err != nil {
		return err
	}
	p.index = link.Index
	if p.handle, err = pcapgo.NewEthernetHandle(l.name); err != nil {
		return err
	}
	const icmp6 = 58
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipFalse: 3},
		bpf.LoadAbsolute{Off: 20, Size: 1}, // next header
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmp6, SkipFalse: 1},
		bpf.RetConstant{Val: snapLength},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	if err := p.handle.SetBPF(filter); err != nil {
		return err
	}
	p.out, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	return err
}

// send owns the outgoing socket.
func (p *ARPProbe) send() {
	defer unix.Close(p.out)
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		p.request()
		select {
		case <-ticker.C:
		case <-p.quit:
			return
		}
	}
}

func (p *ARPProbe) request() {
	p.mu.Lock()
	source := slices.Clone(p.source)
	source[5] = byte(len(p.requests))
	p.requests = append(p.requests, ARPRequest{At: time.Now()})
	p.mu.Unlock()
	var b []byte
	var err error
	if p.target.Is4() {
		b, err = p.arp(source)
	} else {
		b, err = solicitation(source, p.from, p.target)
	}
	if err == nil {
		err = unix.Sendto(p.out, b, 0, &unix.SockaddrLinklayer{Ifindex: p.index})
	}
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) {
		err = nil // a link that is down or gone: the request stays unanswered
	}
	p.mu.Lock()
	p.err = errors.Join(p.err, err)
	p.mu.Unlock()
}

func (p *ARPProbe) arp(source net.HardwareAddr) ([]byte, error) {
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{},
		&layers.Ethernet{SrcMAC: source, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
			HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: source, SourceProtAddress: make([]byte, 4),
			DstHwAddress: make([]byte, 6), DstProtAddress: p.target.AsSlice(),
		})
	return buf.Bytes(), err
}

// receive notes the answers until the handle is closed.
func (p *ARPProbe) receive() {
	for failed := 0; failed < maxErrors; {
		data, info, err := p.handle.ReadPacketData()
		select {
		case <-p.quit:
			return
		default:
		}
		if err != nil {
			failed++
			continue
		}
		failed = 0
		switch f := decodeFrame(data, info.Timestamp); {
		case f.ARP != nil && f.ARP.Reply && f.ARP.SenderIP == p.target:
			p.note(f.ARP.SenderMAC, f.ARP.TargetMAC)
		case f.Neighbor != nil && f.Neighbor.Solicited && f.Neighbor.IP == p.target:
			p.note(f.Src, f.Dst)
		}
	}
}

// note adds an answer, to the hardware address to, to the latest request with its
// number.
func (p *ARPProbe) note(from, to net.HardwareAddr) {
	if !slices.Equal(to[:5], p.source[:5]) {
		return // to somebody else
	}
	who := p.lab.Owner(from)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.requests) - 1; i >= max(0, len(p.requests)-256); i-- {
		if byte(i) == to[5] {
			r := &p.requests[i]
			if !slices.Contains(r.Answered, who) {
				r.Answered = append(r.Answered, who)
			}
			return
		}
	}
}

// Stop ends the probe and returns what it saw. Further calls return the same.
func (p *ARPProbe) Stop() ARPResult {
	p.stop.Do(func() {
		close(p.quit)
		if err := p.handle.Close(); err != nil {
			p.lab.t.Errorf("close an ARP probe: %v", err)
		}
		p.wg.Wait()
		if p.err != nil {
			p.lab.t.Errorf("send ARP requests: %v", p.err)
		}
	})
	return p.requests
}

// Result returns what was seen so far. The probe goes on.
func (p *ARPProbe) Result() ARPResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Contested lists the requests which more than one answered: so long the
// address had two owners.
func (r ARPResult) Contested() ARPResult {
	var contested ARPResult
	for _, q := range r {
		if len(q.Answered) > 1 {
			contested = append(contested, q)
		}
	}
	return contested
}

// Span is the time from the first request to the last one, 0 for fewer than
// two.
func (r ARPResult) Span() time.Duration {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].At.Sub(r[0].At)
}

// Owners lists who answered alone, one after the other.
func (r ARPResult) Owners() []string {
	var owners []string
	for _, q := range r {
		if n := len(owners); len(q.Answered) == 1 && (n == 0 || owners[n-1] != q.Answered[0]) {
			owners = append(owners, q.Answered[0])
		}
	}
	return owners
}
