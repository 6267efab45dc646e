//go:build linux && dpdk

package live_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sentinel"
	"sentinel/capture"
	"sentinel/capture/dpdk"
	"sentinel/capture/sim"
	"sentinel/qa/live"
)

// DPDK starts once in a process, so each test that has it in its own runs in one of its own: child runs this very test there, and
// returns whether this is the child.
func child(t *testing.T) bool {
	t.Helper()
	const mark = "SENTINEL_DPDK_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("in a process of its own: %s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("in a process of its own the test did not run:\n%s", out)
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
	return false
}

// embedded is an engine in the process of the test.
type embedded struct {
	*sentinel.Engine
	t    *testing.T
	said process // its log
	mu   sync.Mutex
	told told

	sources []capture.Source
	stop    context.CancelFunc
	ended   chan error
}

func embed(t *testing.T, config, rules string, workers int, ips bool) *embedded {
	t.Helper()
	e := &embedded{t: t, told: told{alerts: map[string]int{}, types: map[string]int{}}, ended: make(chan error, 1)}
	var err error
	e.Engine, err = sentinel.New(sentinel.Options{
		Config: []byte(config), RuleFiles: []string{}, Rules: rules, NoLogs: true, DataDir: t.TempDir(), Checksums: "none", IPS: ips,
		Workers: workers,
		Log:     zerolog.New(&e.said),
		OnEvent: func(line []byte) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.told.add(t, line)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(e.said.text())
		}
	})
	return e
}

// capture runs the engine on ports of DPDK until end is called.
func (e *embedded) capture(ports ...string) {
	e.t.Helper()
	var err error
	if e.sources, err = e.Open(sentinel.Selection{Driver: "dpdk", Names: ports}); err != nil {
		e.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.ended <- e.Run(ctx, e.sources...) }()
}

// end stops the engine, as a program would.
func (e *embedded) end() {
	e.t.Helper()
	if e.stop != nil {
		e.stop()
		select {
		case err := <-e.ended:
			if err != nil {
				e.t.Error(err)
			}
		case <-time.After(30 * time.Second):
			e.t.Fatal("the engine does not end")
		}
	}
	for _, s := range e.sources {
		if err := s.Close(); err != nil {
			e.t.Error(err)
		}
	}
	if err := e.Close(); err != nil {
		e.t.Error(err)
	}
}

// rings makes pairs of ports of which each receives what the other one sends, and opens the second of each for the test.
func (e *embedded) rings(pairs ...[2]string) (far []*dpdk.Source) {
	e.t.Helper()
	log := portLog{&e.said}
	for i, p := range pairs {
		target := func(name string) *capture.Target {
			own, shared := e.Config().Get("dpdk.interfaces").Interface(name)
			return &capture.Target{Name: name, Root: e.Config().Root(), Own: own, Shared: shared, Auto: 1, Index: uint16(100 + i), Log: log}
		}
		if err := dpdk.Rings(target(p[0]), p[0], p[1]); err != nil {
			if strings.Contains(err.Error(), "DPDK does not start") {
				live.Skip(e.t, "no rights: %v", err)
			}
			e.t.Fatal(err)
		}
		all, err := dpdk.Driver.Open(target(p[1]))
		if err != nil {
			e.t.Fatal(err)
		}
		far = append(far, all[0].(*dpdk.Source))
	}
	return far
}

type portLog struct{ to io.Writer }

func (l portLog) Infof(format string, args ...any) { fmt.Fprintf(l.to, format+"\n", args...) }
func (l portLog) Warnf(format string, args ...any) { l.Infof(format, args...) }

// put sends a frame; a ring that is full is soon not.
func put(t *testing.T, s *dpdk.Source, b []byte) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		err := s.Inject(b)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a frame of %d bytes is not taken: %v", len(b), err)
		}
	}
}

// ringConfig has the ports of a test. Their pools are of one size, so that no wire runs dry.
func ringConfig(ports, more string) string {
	return replayConfig + portParams + "  interfaces:\n" + ports + `    - interface: default
      threads: 1
      mempool-size: 8191
      rx-descriptors: 1024
      tx-descriptors: 1024
` + more
}

// What a script plays into a port alerts as the script does when the engine plays it itself.
func TestDPDKRing(t *testing.T) {
	if !child(t) {
		return
	}
	config := ringConfig("    - interface: net_ring_near\n    - interface: net_ring_far\n", "")
	var script []sim.Step
	at, bytes := time.Now().UnixNano(), uint64(0)
	err := each(filepath.Join("..", "pcaps", "demo.pcap"), func(f *capture.Frame) bool {
		data := append([]byte(nil), f.Data...)
		at += int64(10 * time.Microsecond)
		bytes += uint64(len(data))
		if script = append(script, sim.Packet(data, at)); len(script)%100 == 0 {
			script = append(script, sim.Idle(10*time.Millisecond))
			at += int64(10 * time.Millisecond)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	offline := embed(t, config, replayRules(t), 1, false)
	if err := offline.Run(context.Background(), sim.New(script...)); err != nil {
		t.Fatal(err)
	}
	offline.end()

	e := embed(t, config, replayRules(t), 1, false)
	far := e.rings([2]string{"net_ring_near", "net_ring_far"})[0]
	e.capture("net_ring_near")
	player := sim.New(script...)
	sent := uint64(0)
	batch := make([]capture.Frame, 64)
	for {
		n, err := player.Read(context.Background(), batch)
		for i := range batch[:n] {
			put(t, far, batch[i].Data)
			sent++
		}
		if rerr := player.Release(batch[:n]); rerr != nil {
			t.Fatal(rerr)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); e.Counters()["decoder.pkts"] < sent && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	e.end()
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	same(t, &e.told, &offline.told)
	want := offline.Counters()
	c := e.Counters()
	if sent == 0 || want["decoder.pkts"] != sent || len(offline.told.alerts) < 10 {
		t.Errorf("%d packets of %d offline, alerts %v", want["decoder.pkts"], sent, offline.told.alerts)
	}
	for name, want := range map[string]uint64{"decoder.pkts": sent, "decoder.bytes": bytes, "capture.packets": sent, "capture.kernel_packets": sent,
		"capture.kernel_drops": 0, "capture.rx_errors": 0, "capture.dpdk.no_mbufs": 0, "sentinel.caught_panics": 0} {
		if c[name] != want {
			t.Errorf("%s: %d, want %d", name, c[name], want)
		}
	}
	near, other := readAccount(t, e.said.text(), "net_ring_near"), readAccount(t, e.said.text(), "net_ring_far")
	if near.counts["rx_good_packets"] != sent || other.counts["tx_good_packets"] != sent || near.spare != near.all || other.spare != other.all {
		t.Errorf("%d frames were sent, the ports say %+v and %+v", sent, near, other)
	}
	t.Logf("%d frames, events %v", sent, e.told.types)
}

// What waits in a port when the engine is to end is judged still, by one worker and by several.
func TestDPDKRingEnd(t *testing.T) {
	if !child(t) {
		return
	}
	config := ringConfig(`    - interface: net_ring_near1
    - interface: net_ring_far1
    - interface: net_ring_near2
      threads: 2
    - interface: net_ring_far2
`, "")
	for threads := 1; threads <= 2; threads++ {
		e := embed(t, config, `alert udp any any -> any any (msg:"all"; content:"packet"; sid:1;)`, threads, false)
		name := fmt.Sprintf("net_ring_near%d", threads)
		far := e.rings([2]string{name, fmt.Sprintf("net_ring_far%d", threads)})[0]
		const waiting = 900
		for i := range waiting {
			put(t, far, datagram(true, i%97, "packet"))
		}
		e.capture(name)
		if len(e.sources) != threads {
			t.Errorf("%d sources", len(e.sources))
		}
		e.end()
		if err := far.Close(); err != nil {
			t.Error(err)
		}
		c := e.Counters()
		if n := e.told.types["alert"]; n != waiting || c["decoder.pkts"] != waiting || c["capture.kernel_drops"] != 0 {
			t.Errorf("%d threads: %d packets waited, %d were seen, %d dropped, %d alerts", threads, waiting, c["decoder.pkts"], c["capture.kernel_drops"], n)
		}
		if a := readAccount(t, e.said.text(), name); a.spare != a.all || a.all == 0 {
			t.Errorf("%d threads: %d of %d buffers came back", threads, a.spare, a.all)
		}
	}
}

// datagram is an Ethernet frame with UDP from one side to the other one, about a flow, with a text. Its checksums are right.
func datagram(right bool, flow int, text string) []byte {
	b := make([]byte, max(42+len(text), 60))
	copy(b, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(b[16:], uint16(28+len(text)))
	b[22], b[23] = 64, 17
	left, server := []byte{10, 0, byte(flow >> 8), byte(flow)}, []byte{192, 0, 2, 1}
	port, service := uint16(1024+flow), uint16(4000)
	if !right {
		left, server, port, service = server, left, service, port
	}
	copy(b[26:], left)
	copy(b[30:], server)
	binary.BigEndian.PutUint16(b[34:], port)
	binary.BigEndian.PutUint16(b[36:], service)
	size := uint16(8 + len(text))
	binary.BigEndian.PutUint16(b[38:], size)
	copy(b[42:], text)
	binary.BigEndian.PutUint16(b[24:], internetSum(0, b[14:34]))
	binary.BigEndian.PutUint16(b[40:], internetSum(17+uint32(size), b[26:34+int(size)])) // addresses, and what is behind them
	return b
}

// internetSum is the checksum of RFC 1071.
func internetSum(sum uint32, b []byte) uint16 {
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// ringWire is one direction of a wire: what is put in, and what must come out.
type ringWire struct {
	in, out *dpdk.Source
	expect  [][]byte
	got     [][]byte
}

// run sends frames while it receives, so that no ring overflows.
func (w *ringWire) run(t *testing.T, frames [][]byte) {
	t.Helper()
	const ahead = 256
	batch := make([]capture.Frame, 64)
	sent := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && (sent < len(frames) || len(w.got) < len(w.expect)); {
		for sent < len(frames) && sent-len(w.got) < ahead+len(frames)-len(w.expect) {
			put(t, w.in, frames[sent])
			sent++
		}
		n, err := w.out.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch[:n] {
			w.got = append(w.got, bytes.Clone(batch[i].Data))
		}
		if err := w.out.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
	}
}

// Between two ports of rings the engine drops what rules drop, in both directions, changes what they replace, and forwards the rest as it
// came, in order.
func TestDPDKRingInline(t *testing.T) {
	if !child(t) {
		return
	}
	config := ringConfig(`    - interface: net_ring_in0
      copy-mode: ips
      copy-iface: net_ring_in1
    - interface: net_ring_in1
      copy-mode: ips
      copy-iface: net_ring_in0
    - interface: net_ring_left
    - interface: net_ring_right
`, "")
	e := embed(t, config, `drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)
alert udp any any -> any any (msg:"new for old"; content:"old"; replace:"new"; sid:2;)
`, 1, true)
	far := e.rings([2]string{"net_ring_in0", "net_ring_left"}, [2]string{"net_ring_in1", "net_ring_right"})
	e.capture("net_ring_in0", "net_ring_in1")
	const each = 3000
	wires := [2]ringWire{{in: far[0], out: far[1]}, {in: far[1], out: far[0]}}
	dropped, replaced := uint64(0), uint64(0)
	for side := range wires {
		w := &wires[side]
		var frames [][]byte
		for i := range each {
			flow := i % 97
			text := fmt.Sprintf("packet %d, %s", i, strings.Repeat("x", i%1300))
			switch {
			case i%11 == 3 && flow%7 == side:
				text += "evil"
			case i%5 == 0:
				text += "old"
			}
			frames = append(frames, datagram(side == 0, flow, text))
			if strings.HasSuffix(text, "evil") { // a rule on packets drops no flow
				dropped++
				continue
			}
			out := strings.Replace(text, "old", "new", 1)
			if out != text {
				replaced++
			}
			w.expect = append(w.expect, datagram(side == 0, flow, out))
		}
		w.run(t, frames)
		if len(w.got) != len(w.expect) {
			t.Errorf("direction %d: %d frames came out, want %d", side, len(w.got), len(w.expect))
		}
		for i := range min(len(w.got), len(w.expect)) {
			if !bytes.Equal(w.got[i], w.expect[i]) {
				t.Errorf("direction %d: frame %d is not the one that was to come\n%x\n%x", side, i, w.got[i], w.expect[i])
				break
			}
		}
	}
	for end := time.Now().Add(20 * time.Second); e.Counters()["decoder.pkts"] < 2*each && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	e.end()
	for _, s := range far {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	c := e.Counters()
	for name, want := range map[string]uint64{"decoder.pkts": 2 * each, "capture.packets": 2 * each, "ips.blocked": dropped, "ips.replaced": replaced,
		"ips.accepted": 2*each - dropped - replaced, "capture.dpdk.unsent": 0, "capture.dpdk.no_mbufs": 0, "capture.tx_errors": 0} {
		if c[name] != want {
			t.Errorf("%s: %d, want %d", name, c[name], want)
		}
	}
	text := e.said.text()
	for side, name := range []string{"net_ring_in0", "net_ring_in1", "net_ring_left", "net_ring_right"} {
		a := readAccount(t, text, name)
		if a.spare != a.all || a.all == 0 {
			t.Errorf("%s: %d of %d buffers came back", name, a.spare, a.all)
		}
		if side < 2 && (a.counts["rx_good_packets"] != each || a.counts["tx_good_packets"] != uint64(len(wires[1-side].expect))) {
			t.Errorf("%s says %v of %d received, %d sent", name, a.counts, each, len(wires[1-side].expect))
		}
	}
	t.Logf("%d frames, %d dropped, %d replaced", 2*each, dropped, replaced)
}
