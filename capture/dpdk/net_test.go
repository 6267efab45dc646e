//go:build dpdk && cgo

package dpdk

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/qa/live"
)

// network makes a network in a namespace, and runs the test in a process of its own in it.
func network(t *testing.T, make func(*live.Net)) (*live.Net, bool) {
	t.Helper()
	if os.Getenv("SENTINEL_DPDK_CHILD") == "" {
		make(live.New(t)) // a process that this goroutine starts is in the namespace
	}
	if !child(t) {
		return nil, false
	}
	return live.Here(t), true
}

// receiver counts the frames of a test that come out of an interface.
type receiver struct{ fd int }

func listen(t *testing.T, name string) *receiver {
	t.Helper()
	const all = 0x0300 // ETH_P_ALL in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex(name)}); err != nil {
		t.Fatal(err)
	}
	return &receiver{fd}
}

func (r *receiver) count() (n int) {
	b := make([]byte, 2048)
	for {
		k, from, err := unix.Recvfrom(r.fd, b, 0)
		if err != nil {
			return n
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING && k == 100 {
			n++
		}
	}
}

// A kernel interface through net_af_packet: what is sent is what is seen, and what its sockets lose is counted.
func TestAFPacket(t *testing.T) {
	n, ok := network(t, func(n *live.Net) { n.Pair("a", "b") })
	if !ok {
		return
	}
	all, log := start(t, params+`
    vdev: net_af_packet0,iface=b,blocksz=4096,framesz=2048,framecnt=512
  interfaces:
    - interface: net_af_packet0
      threads: 1
`, "net_af_packet0")
	s := all[0][0]
	tx := n.Sender("a")
	const packets = 400
	for i := range packets {
		if err := tx.Send(frame(i, false, 60+i)); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, s, packets)
	if len(got) != packets {
		t.Fatalf("%d of %d frames, %+v\n%s", len(got), packets, s.Stats(), log.text())
	}
	for i, f := range got {
		if !bytes.Equal(f.Data, frame(i, false, 60+i)) {
			t.Fatalf("frame %d has other bytes", i)
		}
	}
	s.Stats()             // the next ones must be no older
	for i := range 2000 { // more than the ring holds, and nobody reads
		if err := tx.Send(frame(i, false, 100)); err != nil {
			t.Fatal(err)
		}
	}
	more := collect(t, s, 1)
	st := s.Stats()
	if len(more) == 2000 || uint64(len(more))+st.Dropped != 2000 || st.Received != uint64(packets+len(more)) {
		t.Errorf("%d frames of 2000, %+v", len(more), st)
	}
	if c := counted(s.(*Source)); c["capture.dpdk.imissed"] != st.Dropped || c["capture.packets"] != packets+2000 {
		t.Errorf("%v", c)
	}
}

// Two queues of net_af_packet: the kernel keeps flows together.
func TestAFPacketQueues(t *testing.T) {
	n, ok := network(t, func(n *live.Net) { n.Pair("a", "b") })
	if !ok {
		return
	}
	all, _ := start(t, params+`
    vdev: net_af_packet0,iface=b,qpairs=2
  interfaces:
    - interface: net_af_packet0
      threads: auto
`, "net_af_packet0")
	if len(all[0]) != 2 {
		t.Fatalf("%d sources", len(all[0]))
	}
	tx := n.Sender("a")
	const flows = 200
	for i := range flows {
		for _, back := range []bool{false, true} {
			if err := tx.Send(frame(i, back, 80)); err != nil {
				t.Fatal(err)
			}
		}
	}
	where, total := map[byte]int{}, 0
	for q, s := range all[0] {
		for _, f := range collect(t, s, 1) {
			total++
			flow := f.Data[29] ^ f.Data[33] ^ 1
			if at, ok := where[flow]; ok && at != q {
				t.Fatalf("flow %d is at sources %d and %d", flow, at, q)
			}
			where[flow] = q
		}
	}
	if total != 2*flows {
		t.Errorf("%d of %d frames", total, 2*flows)
	}
}

// A wire between two kernel interfaces: what is not dropped goes on, in both directions, and nothing comes back to where it was sent.
func TestWireOfKernelInterfaces(t *testing.T) {
	n, ok := network(t, func(n *live.Net) { n.Pair("a", "b"); n.Pair("c", "d") })
	if !ok {
		return
	}
	all, log := start(t, params+`
    vdev: ["net_af_packet0,iface=b", "net_af_packet1,iface=c"]
  interfaces:
    - {interface: net_af_packet0, copy-iface: net_af_packet1}
    - {interface: net_af_packet1, copy-iface: net_af_packet0}
    - {interface: default, threads: 2, copy-mode: ips}
`, "net_af_packet0", "net_af_packet1")
	log.has(t, "net_af_packet0 (net_af_packet): nothing below spreads")
	log.has(t, "other side of the wire")
	count := func(from, to string, first int) {
		t.Helper()
		rx := listen(t, to)
		tx := n.Sender(from)
		for i := range 20 {
			if err := tx.Send(frame(first+i, from == "d", 100)); err != nil {
				t.Fatal(err)
			}
		}
		batch := make([]capture.Frame, 32)
		got := 0
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			for _, port := range all {
				for _, s := range port {
					k, err := s.(capture.Poller).Poll(batch)
					if err != nil {
						t.Fatal(err)
					}
					for i := range batch[:k] {
						if batch[i].Data[42]%2 == 1 {
							batch[i].Verdict = capture.Drop
						}
						got++
					}
					if err := s.Release(batch[:k]); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if got != 20 {
			t.Errorf("%s to %s: %d frames were read", from, to, got)
		}
		if out := rx.count(); out != 10 {
			t.Errorf("%s to %s: %d frames came out", from, to, out)
		}
	}
	count("a", "d", 0)
	count("d", "a", 100)
}

// In interrupt mode a source's descriptor tells of frames, and Read sleeps until one comes.
func TestTapInterrupts(t *testing.T) {
	n, ok := network(t, func(n *live.Net) {})
	if !ok {
		return
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		live.Skip(t, "no TUN/TAP here: %v", err)
	}
	all, log := start(t, params+`
    vdev: net_tap0,iface=tap7
  interfaces:
    - {interface: net_tap0, threads: 1, interrupt-mode: true, tx-descriptors: 512}
`, "net_tap0")
	s := all[0][0].(*Source)
	os.WriteFile("/proc/sys/net/ipv6/conf/tap7/disable_ipv6", []byte("1"), 0) // which says things by itself
	time.Sleep(50 * time.Millisecond)
	collect(t, s, 0)
	fd := s.Descriptor()
	if fd < 0 {
		t.Fatalf("no descriptor:\n%s", log.text())
	}
	batch := make([]capture.Frame, 8)
	if k, err := s.Poll(batch); k != 0 || err != nil {
		t.Fatal(k, err)
	}
	tx := n.Sender("tap7")
	if err := tx.Send(frame(1, false, 100)); err != nil {
		t.Fatal(err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if k, err := unix.Poll(p, 2000); k != 1 || err != nil {
		t.Fatalf("the descriptor says nothing: %d, %v", k, err)
	}
	if k, err := s.Poll(batch); k != 1 || err != nil || !bytes.Equal(batch[0].Data, frame(1, false, 100)) {
		t.Fatal(k, err)
	}
	s.Release(batch[:1])
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	for range 30 {
		k, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		s.Release(batch[:k])
	}
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	if used := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()); used > 100*time.Millisecond {
		t.Errorf("300 ms of nothing cost %v", used)
	}
}

// The device below net_failsafe is pulled out and comes back while it is read: the source goes on. Then the port itself goes away: the
// source lives on without frames.
func TestUnplug(t *testing.T) {
	n, ok := network(t, func(*live.Net) {})
	if !ok {
		return
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		live.Skip(t, "no TUN/TAP here: %v", err)
	}
	g := target(t, params+`
    vdev: [net_null0, "net_failsafe0,hotplug_poll=100,dev(net_tap7,iface=tap7)"]
  interfaces:
    - {interface: net_failsafe0, threads: 1, rx-descriptors: 512, tx-descriptors: 512}
`, "net_failsafe0")
	log := &testLog{t: t}
	g.Log = log
	if err := env.start(g); err != nil {
		t.Fatal(err)
	}
	// net_tap cannot be pulled out. For this test it can.
	if err := removable("net_tap7"); err != nil {
		t.Fatal(err)
	}
	all, err := Driver.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	s := all[0].(*Source)
	defer s.Close()
	sees := func(b []byte, wait time.Duration) bool {
		batch := make([]capture.Frame, 64)
		for end := time.Now().Add(wait); time.Now().Before(end); {
			if index := ifindex("tap7"); index != 0 {
				n.Sender("tap7").Send(b)
			}
			k, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range batch[:k] {
				found = found || bytes.Equal(f.Data, b)
			}
			s.Release(batch[:k])
			if found {
				return true
			}
		}
		return false
	}
	if !sees(frame(1, false, 100), 5*time.Second) {
		t.Fatalf("nothing seen at the start\n%s", log.text())
	}
	old := ifindex("tap7")
	if err := unplug("net_tap7"); err != nil {
		t.Fatal(err)
	}
	batch := make([]capture.Frame, 64)
	for end := time.Now().Add(10 * time.Second); ; {
		k, err := s.Read(context.Background(), batch) // it goes on as the device goes away and comes back
		if err != nil {
			t.Fatal(err)
		}
		s.Release(batch[:k])
		if i := ifindex("tap7"); i != 0 && i != old {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the device does not come back\n%s", log.text())
		}
	}
	if !sees(frame(2, false, 100), 5*time.Second) {
		t.Fatalf("nothing seen of the new device\n%s", log.text())
	}
	if err := unplug("net_failsafe0"); err != nil {
		t.Fatal(err)
	}
	if sees(frame(3, false, 100), 100*time.Millisecond) {
		t.Error("a port that is away has frames")
	}
	log.has(t, "queue 0 gets no more frames")
	if st := s.Stats(); st.Errors != 1 {
		t.Errorf("%+v", st)
	}
}
