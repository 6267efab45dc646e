package rteflow

import (
	"errors"
	"strings"
	"testing"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/internal/conf"
	"sentinel/stream/flow"
)

// card is a port that has no hardware. Its faults are those of real ones.
type card struct {
	rules    map[Handle]*counted
	last     Handle
	room     int
	create   error // what Create fails with
	query    error
	says     bool // a question whether it makes rules would be answered with yes; nobody asks it
	destroys int
}

type counted struct {
	m           Match
	pkts, bytes uint64
}

func newCard(room int) *card { return &card{rules: map[Handle]*counted{}, room: room} }

func (c *card) Create(m Match) (Handle, error) {
	if c.create != nil {
		return 0, c.create
	}
	if len(c.rules) >= c.room {
		return 0, ErrFull
	}
	c.last++
	c.rules[c.last] = &counted{m: m}
	return c.last, nil
}

func (c *card) Query(h Handle) (uint64, uint64, error) {
	r := c.rules[h]
	if r == nil {
		return 0, 0, errors.New("no such rule")
	}
	return r.pkts, r.bytes, c.query
}

func (c *card) Destroy(h Handle) error {
	if c.rules[h] == nil {
		return errors.New("no such rule")
	}
	c.destroys++
	delete(c.rules, h)
	return nil
}

// packet is a packet that comes to the card. It reports whether a rule dropped it.
func (c *card) packet(m Match, size uint64) bool {
	for _, r := range c.rules {
		if r.m == m {
			r.pkts++
			r.bytes += size
			return true
		}
	}
	return false
}

func back(m Match) Match {
	m.Src, m.Dst, m.SrcPort, m.DstPort = m.Dst, m.Src, m.DstPort, m.SrcPort
	return m
}

func key(n byte) flow.Key {
	k := flow.Key{SrcPort: 1000 + uint16(n), DstPort: 443, Proto: 6, IPVersion: 4}
	k.Src, k.Dst = [16]byte{10, 0, 0, n}, [16]byte{192, 0, 2, 1}
	return k
}

func packetOf(k flow.Key) Match {
	return Match{Version: k.IPVersion, Proto: k.Proto, Src: k.Src, Dst: k.Dst, SrcPort: k.SrcPort, DstPort: k.DstPort, VLAN: [2]uint16{k.VLAN[0], k.VLAN[1]}}
}

func offloader(t *testing.T, text string, cards map[string]*card) (*Offloader, error) {
	t.Helper()
	tree, _, err := conf.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var targets []capture.Target
	for i, n := range tree.Get("dpdk.interfaces").Children() {
		targets = append(targets, capture.Target{Name: n.Get("interface").Str(""), Index: uint16(i), Root: tree.Root(), Own: n})
	}
	o, err := open(targets, func(name string) (Flows, error) {
		c := cards[name]
		if c == nil {
			return nil, errors.New("no port")
		}
		return c, Prove(c)
	})
	if o == nil {
		return nil, err
	}
	return o.(*Offloader), err
}

const listening = "dpdk:\n  interfaces:\n    - {interface: a, bypass: yes}\n    - {interface: b, bypass: no}\n"
const wire = "dpdk:\n  interfaces:\n    - {interface: a, bypass: yes, copy-mode: ips, copy-iface: b}\n    - {interface: b, bypass: yes, copy-mode: ips, copy-iface: a}\n"

func install(o *Offloader, e bypass.Entry) error {
	batch := []bypass.Entry{e}
	o.Install(batch)
	return batch[0].Err
}

func TestCounts(t *testing.T) {
	c := newCard(100)
	o, err := offloader(t, listening, map[string]*card{"a": c})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.rules) != 0 || c.destroys != 1 {
		t.Fatalf("the proof is still there: %d rules, %d were taken away", len(c.rules), c.destroys)
	}
	var six flow.Key
	six.IPVersion, six.Proto, six.SrcPort, six.DstPort, six.VLAN = 6, 17, 5000, 53, [3]uint16{7, 8}
	six.Src, six.Dst = [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}, [16]byte{0x20, 1, 0xd, 0xb8, 15: 2}
	for _, e := range []bypass.Entry{{Key: key(1)}, {Key: six, Drop: true, Strip: 2}} {
		if err := install(o, e); err != nil {
			t.Fatal(err)
		}
	}
	if n, room := o.Occupancy(0); n != 2 || room != defaultFlows || len(c.rules) != 4 {
		t.Errorf("%d flows of %d, %d rules", n, room, len(c.rules))
	}
	for range 3 {
		if !c.packet(packetOf(key(1)), 100) || !c.packet(packetOf(six), 208) {
			t.Fatal("a packet is not dropped")
		}
	}
	if !c.packet(back(packetOf(key(1))), 1500) || c.packet(packetOf(key(2)), 100) {
		t.Fatal("the way back, or another flow")
	}
	got := map[flow.Key]bypass.Counters{}
	sweep := func() {
		t.Helper()
		clear(got)
		if err := o.Sweep(1, func(k flow.Key, n bypass.Counters) { got[k] = n }); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if want := (bypass.Counters{Pkts: [2]uint64{3, 1}, Bytes: [2]uint64{300, 1500}}); got[key(1)] != want {
		t.Errorf("%+v, want %+v", got[key(1)], want)
	}
	// The engine does not count the tags that the capture takes out: 8 bytes a packet.
	if want := (bypass.Counters{Pkts: [2]uint64{3, 0}, Bytes: [2]uint64{600, 0}}); got[six] != want {
		t.Errorf("%+v, want %+v", got[six], want)
	}
	if sweep(); len(got) != 0 {
		t.Errorf("reported twice: %v", got)
	}
	c.packet(back(packetOf(key(1))), 60)
	batch := []bypass.Return{{Key: key(1)}, {Key: key(9)}}
	o.Remove(batch)
	if batch[0].Err != nil || batch[0].Counters.Pkts != [2]uint64{0, 1} || batch[0].Counters.Bytes != [2]uint64{0, 60} {
		t.Errorf("%+v", batch[0])
	}
	if !errors.Is(batch[1].Err, bypass.ErrUnknown) {
		t.Errorf("%+v", batch[1])
	}
	if c.packet(packetOf(key(1)), 100) || len(c.rules) != 2 {
		t.Error("a flow that was given back is dropped")
	}
	if err := o.Close(); err != nil || len(c.rules) != 0 {
		t.Errorf("%v, %d rules are left", err, len(c.rules))
	}
}

// A full card refuses, and keeps no half of a flow.
func TestFull(t *testing.T) {
	c := newCard(3)
	o, err := offloader(t, listening, map[string]*card{"a": c})
	if err != nil {
		t.Fatal(err)
	}
	if err := install(o, bypass.Entry{Key: key(1)}); err != nil {
		t.Fatal(err)
	}
	if err := install(o, bypass.Entry{Key: key(2)}); !errors.Is(err, bypass.ErrFull) || len(c.rules) != 2 {
		t.Errorf("%v, %d rules", err, len(c.rules))
	}
	if err := install(o, bypass.Entry{Key: key(1)}); !errors.Is(err, bypass.ErrFull) {
		t.Errorf("twice: %v", err)
	}
	o.Remove([]bypass.Return{{Key: key(1)}})
	if err := install(o, bypass.Entry{Key: key(2)}); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	o, err = offloader(t, strings.Replace(listening, "dpdk:", "bypass:\n  max-flows: 1\ndpdk:", 1), map[string]*card{"a": newCard(100)})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := install(o, bypass.Entry{Key: key(1)}), install(o, bypass.Entry{Key: key(2)}); a != nil || !errors.Is(b, bypass.ErrFull) {
		t.Errorf("max-flows: %v, %v", a, b)
	}
}

// A card that says yes when it is asked and makes no rule is found out at the start.
func TestProof(t *testing.T) {
	liar := newCard(10)
	liar.says, liar.create = true, ErrUnsupported
	if o, err := offloader(t, listening, map[string]*card{"a": liar}); o != nil || err == nil || !strings.Contains(err.Error(), "flows of a are not offloaded") {
		t.Errorf("%v, %v", o, err)
	}
	mute := newCard(10)
	mute.query = errors.New("no counters")
	if o, err := offloader(t, listening, map[string]*card{"a": mute}); o != nil || err == nil || !strings.Contains(err.Error(), "no counters") || len(mute.rules) != 0 {
		t.Errorf("%v, %v, %d rules", o, err, len(mute.rules))
	}
	if o, err := offloader(t, strings.Replace(listening, "yes", "no", 1), nil); o != nil || err != nil {
		t.Errorf("nobody asked: %v, %v", o, err)
	}
	if _, err := offloader(t, strings.Replace(listening, "dpdk:", "bypass:\n  max-flows: many\ndpdk:", 1), nil); err == nil || !strings.Contains(err.Error(), "test.yaml:2") {
		t.Errorf("%v", err)
	}
}

func TestUnsupported(t *testing.T) {
	o, err := offloader(t, listening, map[string]*card{"a": newCard(10)})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*flow.Key){
		"ICMP":       func(k *flow.Key) { k.Proto = 1 },
		"a tunnel":   func(k *flow.Key) { k.Depth = 1 },
		"three tags": func(k *flow.Key) { k.VLAN = [3]uint16{1, 2, 3} },
		"no IP":      func(k *flow.Key) { k.IPVersion = 0 },
		"other port": func(k *flow.Key) { k.Iface = 1 },
	} {
		k := key(1)
		change(&k)
		if err := install(o, bypass.Entry{Key: k}); !errors.Is(err, bypass.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	batch := []bypass.Entry{{Key: key(1), Err: bypass.ErrFull}}
	if o.Install(batch); batch[0].Err != bypass.ErrFull || len(o.flows) != 0 {
		t.Error("an entry with an error is not passed over")
	}
}

// The rule of each direction is where its packets come in; only flows that are to be dropped are taken.
func TestWire(t *testing.T) {
	a, b := newCard(10), newCard(10)
	o, err := offloader(t, wire, map[string]*card{"a": a, "b": b})
	if err != nil {
		t.Fatal(err)
	}
	if err := install(o, bypass.Entry{Key: key(1)}); !errors.Is(err, bypass.ErrUnsupported) {
		t.Errorf("a flow that is to go on: %v", err)
	}
	if err := install(o, bypass.Entry{Key: key(1), Drop: true}); err != nil {
		t.Fatal(err)
	}
	if !a.packet(packetOf(key(1)), 100) || a.packet(back(packetOf(key(1))), 100) || !b.packet(back(packetOf(key(1))), 200) {
		t.Error("a direction is dropped at the wrong port")
	}
	var got bypass.Counters
	o.Sweep(1, func(_ flow.Key, n bypass.Counters) { got = n })
	if got.Pkts != [2]uint64{1, 1} || got.Bytes != [2]uint64{100, 200} {
		t.Errorf("%+v", got)
	}
	b.create = ErrUnsupported
	if err := install(o, bypass.Entry{Key: key(2), Drop: true}); !errors.Is(err, bypass.ErrUnsupported) || len(a.rules) != 1 {
		t.Errorf("%v, %d rules", err, len(a.rules))
	}
}

func TestSweepErrors(t *testing.T) {
	c := newCard(10)
	o, err := offloader(t, listening, map[string]*card{"a": c})
	if err != nil {
		t.Fatal(err)
	}
	install(o, bypass.Entry{Key: key(1)})
	c.query = errors.New("the card is away")
	if err := o.Sweep(1, func(flow.Key, bypass.Counters) { t.Error("reported") }); err == nil {
		t.Error("no error")
	}
	c.query = nil
	for _, r := range c.rules { // the card was reset
		r.pkts, r.bytes = 0, 0
	}
	for h, r := range c.rules {
		if r.m == packetOf(key(1)) {
			o.flows[key(1)].rules[0].pkts, o.flows[key(1)].rules[0].bytes = 5, 500
			c.rules[h].pkts, c.rules[h].bytes = 2, 200
		}
	}
	var got bypass.Counters
	if err := o.Sweep(2, func(_ flow.Key, n bypass.Counters) { got = n }); err != nil || got.Pkts[0] != 2 || got.Bytes[0] != 200 {
		t.Errorf("%v %+v", err, got)
	}
}
