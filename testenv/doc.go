// Package testenv is a lab: several hosts on one machine, with real kernels,
// binaries and peers, and a switch whose faults the test chooses. It treats
// ngha as a black box and imports none of its packages.
//
//	lab := testenv.New(t) // skips, or fails, where there can be none
//	lan := lab.Bridge("lan")
//	a, b, c := lab.Host("a"), lab.Host("b"), lab.Host("client")
//	lan.Attach(a, "198.51.100.1/24")
//	lan.Attach(b, "198.51.100.2/24")
//	lan.Attach(c, "198.51.100.9/24")
//	capture := lan.Capture()
//	na := lab.StartNode(a, testenv.Node{VRID: 7, Priority: 200, VIPs: []string{"198.51.100.100"}})
//	nb := lab.StartNode(b, testenv.Node{VRID: 7, Priority: 100, VIPs: []string{"198.51.100.100"}})
//	na.AwaitState("active")
//	probe := c.ProbeHTTP("http://198.51.100.100/", 5*time.Millisecond)
//	a.PowerOff()
//	nb.AwaitState("active")
//	t.Log(probe.Stop().Longest()) // 3.6s from a to b
//	if err := capture.Frames().NoTwoSpeakers(7, time.Second); err != nil {
//		t.Error(err)
//	}
//
// # Hosts
//
// A [Host] is one goroutine, locked to an operating system thread which has a
// network namespace of its own and lives as long as the lab. From its first
// process on a host also has PID, mount and UTS namespaces under an init of
// its own: what [Host.Start] starts shares /run, /proc and the process table
// with the others of the host, and with nobody else. [Host.StartContainer]
// starts a program as PID 1 of further namespaces on the same network.
//
// A [Node] is an ngha with its nginx, PID 1 by default, as in a container: who
// kills it kills all of the node. With UnderInit it is a child of the host's
// init, so that nginx can outlive it, and Start starts it again beside what it
// left behind.
//
// # Other releases
//
// A host runs this machine's programs. With a [Root] it runs those of another
// Debian release, in a copy of its file system: a newer nginx and keepalived,
// and a curl that speaks HTTP/3.
//
//	trixie := lab.Root("trixie") // made by testenv/prepare; skips where there is none
//	na := lab.StartNode(a, testenv.Node{Root: trixie, Server: cert.HTTP3()}) // nginx 1.26
//	b.SetRoot(trixie) // before the host's first program
//	lab.StartKeepalived(b, configuration) // 2.3
//	client.SetRoot(trixie)
//	body, err := client.GetHTTP3("https://198.51.100.100/", cert)
//
// [EachRelease] runs a test with this machine's nginx and with trixie's. Tests
// that have no lab run with another nginx by the command within:
//
//	testenv/test -exec 'go run ngha/testenv/within trixie' ./nginxctl ./supervisor
//
// # Faults
//
//	ngha killed, frozen, thawed                Node.Kill, Node.Freeze, Node.Thaw
//	nginx's master, workers, all of it         Node.NginxMaster().Signal(unix.SIGKILL) and so on
//	orderly ends                               Node.Process().Signal(unix.SIGTERM); Node.Run("nginx", "-s", "quit")
//	the host vanishes                          Host.PowerOff, Host.PowerOn
//	interface down by hand, unplugged, gone    Link.Down, Link.PortDown, Link.Delete, Link.Rename
//	an address taken away                      Link.Steal
//	one way cut, both, sides parted            Bridge.Cut, Bridge.CutBoth, Bridge.Partition
//	frames lost, VRRP alone lost               Bridge.Lose, Bridge.LoseVRRP
//	an advertisement forged                    Link.SendVRRP
//
// What the switch does to frames is a set of nftables rules in its own
// namespace; [Fault.Heal] and [Bridge.Heal] take them back, and every fault ends
// with the lab, because the namespaces do.
//
// # Views
//
// Four witnesses tell what happened. [Host.ProbeHTTP] sees it as a client, and
// [Host.StartLoad] as many clients of several kinds, which follow HTTP;
// [Link.ProbeARP] finds every owner of an address; [Bridge.Capture] hears the
// wire, and [Frames] know its laws; [Host.Holds] and [Host.Neighbor] ask the
// kernels. What a node says of itself, [Node.Status], is the fifth and the least
// trusted. Times are the kernel's, taken when a packet arrived, and not those
// at which a goroutine came round to it. The switch's capture sees a frame as it
// comes in, before a fault drops it, so that a law about a connected network
// does not hold while the test has cut it.
//
// When a test fails, the tails of all logs and the last frames are shown.
// `go test -artifacts` keeps the whole of them, the configurations, and the
// captures as pcap files. A data race or a panic in any process's log fails
// the test, however well the others covered for it.
//
// # What is left behind
//
// Nothing. The kernel kills a host's processes when their first one ends, and
// that one when the host's thread does (Pdeathsig), even by a crash of the test.
// Namespaces go with their last thread and socket. Nothing is named in
// /run/netns, and nothing is written outside the test's directories, which
// alone survive a crash. The root file systems are testenv/prepare's; a lab
// only reads them.
//
// # Traps
//
//   - Goroutines that a function started in [Host.Do] run elsewhere. Sockets keep
//     the namespace they were made in, so make them in Do and use them outside,
//     or use [Host.Dial].
//   - /proc/self/net shows the main thread's network, /proc/thread-self/net one's
//     own; /sys/class/net follows the mount. Ask netlink.
//   - A reply from a wildcard UDP socket leaves from the primary address, not
//     from the virtual one it was sent to.
//   - A cut host keeps what ARP has taught it. After a heal the first packets
//     between hosts that did not find each other wait for the next ARP request,
//     which comes once a second.
//   - An address that vanishes makes a client's connection attempts time out
//     and not fail; the probe gives each a second.
//   - There is no netem in many kernels: loss is made by nftables, delay is not
//     made at all.
//   - /tmp is shared with the hosts, so that they find their configurations and
//     the binary. Two programs of two hosts can meet there.
//   - In a root, /etc is the other release's, and no longer than its host runs.
//     An ngha with the race detector is linked against this machine's C
//     library, and runs in no root whose own is older.
//   - Processes are signalled by pid. Never select them by name: other labs run
//     the same programs on the same machine.
//   - go test caches results. Binary makes it see changes of the module's
//     sources, but nobody tells it of a new nginx or keepalived: -count=1.
package testenv
