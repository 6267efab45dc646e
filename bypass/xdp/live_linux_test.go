package xdp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/internal/xdp"
	"sentinel/qa/live"
	"sentinel/stream/flow"
)

// quiet takes note of messages.
type quiet struct{ text strings.Builder }

func (q *quiet) Infof(format string, args ...any) { q.text.WriteString(format + "\n") }
func (q *quiet) Warnf(format string, args ...any) { q.text.WriteString(format + "\n") }

// targets reads the section af-packet of a configuration.
func targets(t *testing.T, text string, log capture.Log) []capture.Target {
	t.Helper()
	tree, _, err := conf.Parse([]byte("%YAML 1.1\n---\n"+text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []capture.Target
	for i, n := range tree.Root().Get("af-packet").Children() {
		list = append(list, capture.Target{Name: n.Get("interface").Str(""), Index: uint16(i), Root: tree.Root(), Own: n, Log: log})
	}
	return list
}

func opened(t *testing.T, text string) *Offloader {
	t.Helper()
	o, err := Open(targets(t, text, &quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o.(*Offloader)
}

func entry(i int, v6 bool) bypass.Entry {
	k := flow.Key{Src: decode.Addr{10, 0, byte(i >> 8), byte(i)}, Dst: decode.Addr{10, 9}, SrcPort: 1, DstPort: 2, Proto: 17, IPVersion: 4}
	if v6 {
		k.IPVersion = 6
	}
	return bypass.Entry{Key: k}
}

// A full map refuses, forgets nothing, and has room again when flows have left.
func TestFull(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	const room = 50
	o := opened(t, "af-packet:\n  - {interface: in0, bypass: yes}\nbypass: {max-flows: 50}\n")
	install := func(from, count int) (taken int) {
		t.Helper()
		var batch []bypass.Entry
		for i := range count {
			batch = append(batch, entry(from+i, false), entry(from+i, true))
		}
		o.Install(batch)
		for i := range batch {
			switch err := batch[i].Err; {
			case err == nil:
				taken++
			case !errors.Is(err, bypass.ErrFull):
				t.Fatalf("entry %d: %v", i, err)
			}
		}
		return taken
	}
	if got := install(0, 80); got != 2*room {
		t.Errorf("%d flows taken, want %d", got, 2*room)
	}
	if flows, all := o.Occupancy(0); flows != 2*room || all != 2*room {
		t.Errorf("occupancy %d of %d", flows, all)
	}
	remove := func(i int, want error) {
		t.Helper()
		b := []bypass.Return{{Key: entry(i, false).Key}, {Key: entry(i, true).Key}}
		o.Remove(b)
		for _, r := range b {
			if !errors.Is(r.Err, want) || !r.Counters.Zero() {
				t.Errorf("removing %d: %v, %+v", i, r.Err, r.Counters)
			}
		}
	}
	remove(70, bypass.ErrUnknown)
	remove(3, nil)
	remove(3, bypass.ErrUnknown)
	if got := install(100, 5); got != 2 {
		t.Errorf("%d flows taken where one of each version had left", got)
	}
	for i := range 200 {
		b := []bypass.Return{{Key: entry(i, false).Key}, {Key: entry(i, true).Key}}
		o.Remove(b)
	}
	f := o.ifaces[0]
	if _, used := f.slots.Len(); used != 0 || len(o.flows) != 0 || f.held != [2]int{} {
		t.Errorf("%d slots, %d flows, %v held are left", used, len(o.flows), f.held)
	}
	if got := install(0, room); got != 2*room {
		t.Errorf("%d flows taken by an empty map", got)
	}
}

func TestKinds(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	n.Pair("in1", "out1")
	o := opened(t, "af-packet:\n  - {interface: in0, bypass: yes, copy-mode: ips, copy-iface: in1}\n"+
		"  - {interface: in1, bypass: yes, copy-mode: ips, copy-iface: in0}\n")
	with := func(f func(e *bypass.Entry)) bypass.Entry { e := entry(1, false); f(&e); return e }
	for name, e := range map[string]bypass.Entry{
		"three tags": with(func(e *bypass.Entry) { e.VLAN = [3]uint16{1, 2, 3} }),
		"tunnel":     with(func(e *bypass.Entry) { e.Depth = 1 }),
		"ICMP":       with(func(e *bypass.Entry) { e.Proto = 1 }),
		"interface":  with(func(e *bypass.Entry) { e.Iface = 9 }),
	} {
		b := []bypass.Entry{e}
		if o.Install(b); !errors.Is(b[0].Err, bypass.ErrUnsupported) {
			t.Errorf("%s: %v", name, b[0].Err)
		}
	}
	// The same flow from either side of the wire, and from either end.
	b := []bypass.Entry{entry(1, false)}
	if o.Install(b); b[0].Err != nil {
		t.Fatal(b[0].Err)
	}
	again := with(func(e *bypass.Entry) {
		e.Iface, e.Src, e.Dst, e.SrcPort, e.DstPort = 1, e.Dst, e.Src, e.DstPort, e.SrcPort
	})
	b = []bypass.Entry{again}
	if o.Install(b); !errors.Is(b[0].Err, bypass.ErrFull) {
		t.Errorf("twice: %v", b[0].Err)
	}
	if o.ifaces[0].held[0] != 1 || o.ifaces[1].held[0] != 1 {
		t.Errorf("held %v, %v", o.ifaces[0].held, o.ifaces[1].held)
	}
}

// Whoever uses an interface would lose his connections.
func TestInterfaceWithAddress(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	l, err := netlink.LinkByName("in0")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := netlink.ParseAddr("192.0.2.1/24")
	if err := netlink.AddrAdd(l, a); err != nil {
		t.Fatal(err)
	}
	o, err := Open(targets(t, "af-packet:\n  - {interface: in0, bypass: yes}\n", &quiet{}))
	if o != nil || err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("%v, %v", o, err)
	}
}

func TestConfigured(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	for _, c := range []struct{ text, err, said string }{
		{"bypass: no", "", ""},
		{"xdp-mode: driver", "", ""},
		{"bypass: yes, xdp-mode: fast", "test.yaml:4: unknown xdp-mode \"fast\" of in0: use driver, soft or hw", ""},
		{"bypass: yes, copy-mode: ips", "needs copy-iface", ""},
		{"bypass: yes, xdp-filter-file: /x/y.bpf, pinned-maps: true", "", "is not needed"},
	} {
		q := &quiet{}
		o, err := Open(targets(t, "af-packet:\n  - {interface: in0, "+c.text+"}\n", q))
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v", c.text, err)
		}
		if c.said != "" && strings.Count(q.text.String(), c.said) != 2 {
			t.Errorf("%s: said %s", c.text, q.text.String())
		}
		if (o != nil) != (c.said != "") {
			t.Errorf("%s: offloader %v", c.text, o)
		}
		if o != nil {
			o.Close()
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Now().UnixNano()
	c := newClock(now)
	at := now + int64(time.Minute)
	if d := c.wall(monotonic(at)) - at; d < -int64(time.Second) || d > int64(time.Second) {
		t.Errorf("off by %v", time.Duration(d))
	}
	if c.wall(0) != 0 {
		t.Error("a time from nowhere")
	}
}

// A veth interface sends what is redirected to it only when its other end has NAPI (GRO): without, bypassed packets would be lost
// without a word.
func TestNativeNeedsTransmit(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	n.Pair("in1", "out1")
	const text = "af-packet:\n  - {interface: in0, bypass: yes, xdp-mode: driver, copy-mode: ips, copy-iface: in1}\n"
	if _, err := transmits("in1"); errors.Is(err, errUnknown) {
		live.Skip(t, "the kernel does not tell XDP features: Linux 6.3 is needed")
	}
	o, err := Open(targets(t, text, &quiet{}))
	if o != nil || err == nil || !strings.Contains(err.Error(), "xdp-mode: soft") {
		t.Errorf("%v, %v", o, err)
	}
	p, err := xdp.Attach(xdp.Options{Interface: "out1", Mode: xdp.Native}) // which has NAPI for it
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if ok, err := transmits("in1"); err != nil || !ok {
		t.Errorf("transmits %v, %v", ok, err)
	}
	if o, err = Open(targets(t, text, &quiet{})); err != nil {
		t.Fatal(err)
	}
	o.Close()
}
