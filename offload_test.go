package sentinel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream/flow"
)

// below is an offloader without a kernel: what carries a flow counts its packets.
type below struct {
	mu    sync.Mutex
	room  int
	slow  time.Duration // that Install takes
	never func(flow.Key) bool
	flows map[flow.Key]*bypass.Counters
	drops int
	peak  int
}

func newBelow(room int) *below { return &below{room: room, flows: map[flow.Key]*bypass.Counters{}} }

func (b *below) Install(batch []bypass.Entry) {
	time.Sleep(b.slow)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		switch {
		case e.Err != nil:
		case b.never != nil && b.never(e.Key):
			e.Err = bypass.ErrUnsupported
		case len(b.flows) >= b.room:
			e.Err = bypass.ErrFull
		default:
			b.flows[e.Key] = &bypass.Counters{}
			if e.Drop {
				b.drops++
			}
			b.peak = max(b.peak, len(b.flows))
		}
	}
}

func (b *below) Remove(batch []bypass.Return) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		c := b.flows[r.Key]
		if c == nil {
			r.Err = bypass.ErrUnknown
			continue
		}
		r.Counters = *c
		delete(b.flows, r.Key)
	}
}

func (b *below) Sweep(_ int64, report func(flow.Key, bypass.Counters)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, c := range b.flows {
		if !c.Zero() {
			report(k, *c)
			*c = bypass.Counters{}
		}
	}
	return nil
}

func (b *below) Close() error { return nil }

// carries reports whether a packet goes below, and counts it then.
func (b *below) carries(k flow.Key, dir, size int, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.flows[k]
	if c == nil {
		return false
	}
	c.Pkts[dir]++
	c.Bytes[dir] += uint64(size)
	c.Last = now
	return true
}

func (b *below) held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.flows)
}

// offWire is a source of the datagrams of an offload_live test's flows, but for those that are carried below.
type offWire struct {
	below *below
	mu    sync.Mutex
	queue [][]byte
	from  []capture.Frame
	done  bool
	seen  uint64
	bytes uint64
	drops uint64
	lent  int
}

// keyOf is the key of flow n of datagram.
func keyOf(n int) (k flow.Key) {
	k.Src, k.Dst = decode.Addr{10, 1, byte(n >> 8), byte(n)}, decode.Addr{10, 2, 0, 1}
	k.SrcPort, k.DstPort, k.Proto, k.IPVersion = uint16(20000+n%7), 9999, 17, 4
	if n%3 == 0 {
		k.IPVersion = 6
		k.Src, k.Dst = decode.Addr{0: 0xfd, 14: byte(n >> 8), 15: byte(n)}, decode.Addr(netip.MustParseAddr("fd02::1").As16())
	}
	switch {
	case n%10 == 0:
		k.VLAN = [decode.MaxVLAN]uint16{77, 42}
	case n%5 == 0:
		k.VLAN = [decode.MaxVLAN]uint16{42}
	}
	return k
}

func (w *offWire) send(n int, back bool, size int) {
	f, dir := datagram(n, back, size), 0
	if back {
		dir = 1
	}
	if w.below.carries(keyOf(n), dir, len(f), time.Now().UnixNano()) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, f)
}

func (w *offWire) Read(_ context.Context, batch []capture.Frame) (n int, err error) {
	for range 10 {
		w.mu.Lock()
		n = min(len(w.queue), len(batch))
		for i := range n {
			b := w.queue[i]
			batch[i] = capture.Frame{Data: b, Time: time.Now().UnixNano(), WireLen: uint32(len(b)), Link: capture.LinkEthernet}
			w.bytes += uint64(len(b))
		}
		w.queue = w.queue[n:]
		w.seen += uint64(n)
		done := w.done && n == 0
		w.mu.Unlock()
		if done {
			return 0, io.EOF
		}
		if n > 0 {
			return n, nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, nil
}

func (w *offWire) Release(batch []capture.Frame) error {
	for i := range batch {
		if batch[i].Verdict == capture.Drop {
			w.drops++
		}
	}
	return nil
}

func (w *offWire) Stats() capture.Stats { return capture.Stats{Received: w.seen, Bytes: w.bytes} }
func (w *offWire) Close() error         { return nil }

// bypassRun is an engine whose flows go below, under test.
type bypassRun struct {
	*offWire
	t      *testing.T
	e      *Engine
	ended  chan error
	mu     sync.Mutex
	events []flowEvent
	sent   map[int]*[2][2]uint64 // by flow, direction: packets, bytes
}

func startBypass(t *testing.T, b *below, o Options) *bypassRun {
	t.Helper()
	r := &bypassRun{offWire: &offWire{below: b}, t: t, ended: make(chan error, 1), sent: map[int]*[2][2]uint64{}}
	o.below = b
	if o.Config == nil {
		o.Config = []byte("%YAML 1.1\n---\noutputs:\n  - eve-log:\n      enabled: yes\n      types: [flow]\n")
	}
	o.NoLogs = true
	o.OnEvent = func(line []byte) {
		var x flowEvent
		if err := json.Unmarshal(line, &x); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.events = append(r.events, x)
		r.mu.Unlock()
	}
	var err error
	if r.e, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.e.set.offload.sweep = 20 * time.Millisecond
	go func() { r.ended <- r.e.Run(context.Background(), r.offWire) }()
	return r
}

func (r *bypassRun) send(n int, back bool, size int) {
	d := 0
	if back {
		d = 1
	}
	if r.sent[n] == nil {
		r.sent[n] = new([2][2]uint64)
	}
	r.sent[n][d][0]++
	r.sent[n][d][1] += uint64(len(datagram(n, back, size)))
	r.offWire.send(n, back, size)
}

// until waits for something to become true.
func (r *bypassRun) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

func (r *bypassRun) flows() []flowEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]flowEvent(nil), r.events...)
}

// end ends the run and compares what the records say with what was sent.
func (r *bypassRun) end() {
	r.t.Helper()
	r.offWire.mu.Lock()
	r.done = true
	r.offWire.mu.Unlock()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		r.t.Fatal("the run does not end")
	}
	if err := r.e.Close(); err != nil {
		r.t.Fatal(err)
	}
	got := map[string][2][2]uint64{}
	for _, x := range r.events {
		c := got[x.SrcIP]
		c[0][0] += x.Flow.PktsTS
		c[1][0] += x.Flow.PktsTC
		c[0][1] += x.Flow.BytesTS
		c[1][1] += x.Flow.BytesTC
		got[x.SrcIP] = c
	}
	wrong := 0
	for n, want := range r.sent {
		src := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}).String()
		if n%3 == 0 {
			src = fmt.Sprintf("fd00:0000:0000:0000:0000:0000:0000:%04x", n)
		}
		if got[src] != *want {
			if wrong++; wrong < 5 {
				r.t.Errorf("flow %d of %s: %v, want %v", n, src, got[src], *want)
			}
		}
	}
	if wrong > 0 {
		r.t.Errorf("%d flows are wrong", wrong)
	}
	if n := r.below.held(); n != 0 {
		r.t.Errorf("%d flows are left below", n)
	}
}

const bypassRule = `alert udp any any -> any 9999 (msg:"seen enough"; noalert; bypass; sid:1;)`

func TestBypassFake(t *testing.T) {
	for _, c := range []struct {
		name  string
		flows int
		below *below
		mode  string
	}{
		{"room for all", 10000, newBelow(1 << 20), ""},
		{"room for some", 10000, newBelow(3000), ""},
		{"no room", 500, newBelow(0), ""},
		{"slow", 10000, &below{room: 1 << 20, slow: 5 * time.Millisecond, flows: map[flow.Key]*bypass.Counters{}}, ""},
		{"some kinds only", 3000, &below{room: 1 << 20, flows: map[flow.Key]*bypass.Counters{},
			never: func(k flow.Key) bool { return k.IPVersion == 6 }}, ""},
		{"handed over", 5000, newBelow(1 << 20), "autofp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() {
				c.flows /= 10
			}
			r := startBypass(t, c.below, Options{Rules: bypassRule, RunMode: c.mode, Workers: 3})
			for i := range c.flows {
				r.send(i, false, 10)
			}
			r.until("all packets are read", func() bool { return r.queued() == 0 })
			for round := range 3 {
				for i := range c.flows {
					r.send(i, true, 20+round)
					r.send(i, false, 30)
				}
				time.Sleep(30 * time.Millisecond)
			}
			r.end()
			count := r.e.Counters()
			if got := count["flow_bypassed.pkts"] + count["flow_bypassed.local_pkts"] + count["flow_bypassed.local_capture_pkts"]; got != uint64(6*c.flows) {
				t.Errorf("%d packets were bypassed, want %d", got, 6*c.flows)
			}
			capture := 0
			for _, x := range r.events {
				if x.Flow.State != "bypassed" || x.Flow.Bypass == "capture" && x.Flow.Bypassed == nil {
					t.Fatalf("record %+v", x)
				}
				if x.Flow.Bypass == "capture" {
					capture++
				}
			}
			if len(r.events) != c.flows || capture != c.below.peak {
				t.Errorf("%d records, %d of flows that were carried below; there were %d", len(r.events), capture, c.below.peak)
			}
			if c.below.room > 0 && capture == 0 {
				t.Error("nothing was carried below")
			}
		})
	}
}

func (w *offWire) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// A flow lives as long as packets are counted below, and ends by its time-out from the last of them. One that comes back is a new
// flow.
func TestBypassTimeout(t *testing.T) {
	b := newBelow(100)
	r := startBypass(t, b, Options{Rules: bypassRule, Config: []byte("%YAML 1.1\n---\nflow-timeouts:\n  udp:\n    bypassed: 1\n    new: 30\n" +
		"outputs:\n  - eve-log:\n      enabled: yes\n      types: [flow]\n")})
	r.send(1, false, 10)
	r.send(2, false, 10)
	r.until("both flows are below", func() bool { return b.held() == 2 })
	for range 20 { // two seconds: the second flow alone lives on
		time.Sleep(100 * time.Millisecond)
		r.send(2, true, 50)
	}
	if got := r.flows(); len(got) != 1 || got[0].SrcIP != "10.1.0.1" || got[0].Flow.Bypass != "capture" {
		t.Errorf("records after two seconds: %+v", got)
	}
	r.send(1, false, 70)
	r.until("the first flow is below again", func() bool { return b.held() == 2 })
	r.send(1, false, 70)
	r.until("all flows have ended", func() bool { return len(r.flows()) == 3 })
	if n := b.held(); n != 0 {
		t.Errorf("%d flows are left below", n)
	}
	r.end()
}

// New rules change nothing for flows that are carried below.
func TestBypassReload(t *testing.T) {
	b := newBelow(1 << 20)
	r := startBypass(t, b, Options{Rules: bypassRule})
	for i := range 1000 {
		r.send(i, false, 10)
	}
	r.until("the flows are below", func() bool { return b.held() == 1000 })
	for range 3 {
		if err := r.e.Reload(); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			r.send(i, true, 10)
		}
	}
	if n := b.held(); n != 1000 {
		t.Errorf("%d flows are below after the reload", n)
	}
	r.end()
}

// A flow that a rule drops is dropped below in both directions, and counts as blocked.
func TestBypassDroppedFlow(t *testing.T) {
	b := newBelow(100)
	r := startBypass(t, b, Options{IPS: true, Rules: `drop udp any any -> any 9999 (msg:"no"; sid:1;)`})
	r.send(1, false, 10)
	r.send(1, false, 10)
	r.until("the flow is below", func() bool { return b.held() == 1 })
	for range 5 {
		r.send(1, true, 10)
	}
	r.end()
	if b.drops != 1 || r.drops != 2 {
		t.Errorf("%d flows dropped below, %d packets above", b.drops, r.drops)
	}
	count := r.e.Counters()
	if count["ips.blocked"] != 7 || count["flow_bypassed.pkts"] != 0 {
		t.Errorf("ips.blocked %d, flow_bypassed.pkts %d", count["ips.blocked"], count["flow_bypassed.pkts"])
	}
	if x := r.events[0]; x.Flow.Bypass != "" || x.Flow.Bypassed != nil {
		t.Errorf("record %+v", x)
	}
}

// An elephant is bypassed when it has moved the bytes that were asked for, with or without a rate.
func TestBypassElephant(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		want bool
	}{
		"size":          {"elephant: {bypass: yes, bytes: 5000}", true},
		"size, not yet": {"elephant: {bypass: yes, bytes: 500000}", false},
		"rate and size": {"elephant: {bypass: yes, bytes: 5000}\n  rate-tracking: {bytes: 2000, interval: 60}", true},
		"too slow":      {"elephant: {bypass: yes, bytes: 5000}\n  rate-tracking: {bytes: 50000, interval: 60}", false},
		"off":           {"rate-tracking: {bytes: 2000, interval: 60}", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := startBypass(t, newBelow(100), Options{NoDetection: true, Config: []byte("%YAML 1.1\n---\nflow:\n  " + c.conf + "\n" +
				"outputs:\n  - eve-log:\n      enabled: yes\n      types: [flow]\n")})
			for range 10 {
				r.send(1, false, 1000)
			}
			r.end()
			if got := r.events[0].Flow.State == "bypassed"; got != c.want {
				t.Errorf("%+v", r.events[0])
			}
		})
	}
	if _, err := New(Options{NoLogs: true, Config: []byte("%YAML 1.1\n---\nflow:\n  elephant: {bypass: yes}\n")}); err == nil {
		t.Error("without a size and a rate every flow would be an elephant")
	}
}
