package flow

import (
	"encoding/binary"
	"math/rand"
	"testing"

	"sentinel/decode"
)

const t0 = int64(1_700_000_000) * second

func addr(a uint32) (x decode.Addr) {
	binary.BigEndian.PutUint32(x[:4], a)
	return x
}

func packet(proto uint8, src, dst uint32, sp, dp uint16, at int64) *decode.Packet {
	p := &decode.Packet{Parent: -1, Time: at, IPVersion: 4, Proto: proto, Layers: decode.HasIPv4,
		Src: addr(src), Dst: addr(dst), SrcPort: sp, DstPort: dp, TTL: 64, Data: make([]byte, 60)}
	switch proto {
	case protoTCP:
		p.Layers |= decode.HasTCP
		p.TCP.Flags = decode.SYN
	case protoUDP:
		p.Layers |= decode.HasUDP
	case protoICMP:
		p.Layers |= decode.HasICMPv4
	case protoSCTP:
		p.Layers |= decode.HasSCTP
	case protoESP:
		p.Layers |= decode.HasESP
	}
	return p
}

func icmp(src, dst uint32, typ, code uint8) *decode.Packet {
	p := packet(protoICMP, src, dst, 0, 0, t0)
	p.ICMPType, p.ICMPCode = typ, code
	return p
}

func table(t testing.TB, c Config) *Table {
	if c.Seed == 0 {
		c.Seed = 42
	}
	x := NewTable(c)
	t.Cleanup(x.Close)
	return x
}

func TestLookupPairs(t *testing.T) {
	base := func() *decode.Packet { return packet(protoTCP, 1, 2, 1000, 80, t0) }
	with := func(f func(p *decode.Packet)) *decode.Packet { p := base(); f(p); return p }
	esp := func(src, dst uint32, spi byte) *decode.Packet {
		p := packet(protoESP, src, dst, 0, 0, t0)
		p.L4 = []byte{0, 0, 0, spi, 0, 0, 0, 1}
		return p
	}
	unreach := func(src, dst, is, id uint32, isp, idp uint16) *decode.Packet {
		p := icmp(src, dst, 3, 3)
		p.Layers |= decode.HasEmbedded
		p.InnerIPVersion, p.InnerProto = 4, protoTCP
		p.InnerSrc, p.InnerDst, p.InnerSrcPort, p.InnerDstPort = addr(is), addr(id), isp, idp
		return p
	}
	for _, c := range []struct {
		name string
		a, b *decode.Packet
		same bool
		cfg  Config
	}{
		{"same direction", base(), base(), true, Config{}},
		{"other direction", base(), packet(protoTCP, 2, 1, 80, 1000, t0), true, Config{}},
		{"ports swapped, addresses not", base(), packet(protoTCP, 1, 2, 80, 1000, t0), false, Config{}},
		{"other protocol", base(), packet(protoUDP, 1, 2, 1000, 80, t0), false, Config{}},
		{"vlan differs", base(), with(func(p *decode.Packet) { p.VLAN[0] = 5 }), false, Config{}},
		{"vlan ignored", base(), with(func(p *decode.Packet) { p.VLAN[0] = 5 }), true, Config{IgnoreVLAN: true}},
		{"depth differs", base(), with(func(p *decode.Packet) { p.Depth = 1 }), false, Config{}},
		{"depth ignored", base(), with(func(p *decode.Packet) { p.Depth = 1 }), true, Config{IgnoreDepth: true}},
		{"ip version differs", base(), with(func(p *decode.Packet) { p.IPVersion = 6 }), false, Config{}},
		{"echo and reply", icmp(1, 2, 8, 0), icmp(2, 1, 0, 0), true, Config{}},
		{"echo and echo back", icmp(1, 2, 8, 0), icmp(2, 1, 8, 0), false, Config{}},
		{"echo with another code", icmp(1, 2, 8, 0), icmp(1, 2, 8, 7), true, Config{}},
		{"unreachable from the server", base(), unreach(2, 1, 1, 2, 1000, 80), true, Config{}},
		{"unreachable from a router", base(), unreach(9, 1, 1, 2, 1000, 80), true, Config{}},
		{"unreachable to the server", base(), unreach(9, 2, 2, 1, 80, 1000), true, Config{}},
		{"invalid option", base(), with(func(p *decode.Packet) { p.Flags |= decode.Invalid }), true, Config{}},
		{"esp same spi", esp(1, 2, 7), esp(1, 2, 7), true, Config{}},
		{"esp other direction", esp(1, 2, 7), esp(2, 1, 7), false, Config{}},
		{"esp other spi", esp(1, 2, 7), esp(1, 2, 8), false, Config{}},
		{"sctp", packet(protoSCTP, 1, 2, 5, 6, t0), packet(protoSCTP, 2, 1, 6, 5, t0), true, Config{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := table(t, c.cfg)
			f, created := x.Lookup(c.a, t0)
			if f == nil || !created {
				t.Fatal("no flow for the first packet")
			}
			g, _ := x.Lookup(c.b, t0)
			if g == nil {
				t.Fatal("no flow for the second packet")
			}
			if (f == g) != c.same {
				t.Errorf("same flow: %v, want %v", f == g, c.same)
			}
			// Hash is coarser than the key but must agree where the flow does.
			if c.same && c.cfg == (Config{}) && Hash(c.a) != Hash(c.b) {
				t.Error("hash differs within a flow")
			}
		})
	}
}

func TestNoFlow(t *testing.T) {
	x := table(t, Config{})
	frag := packet(protoTCP, 1, 2, 3, 4, t0)
	frag.Flags |= decode.Fragment
	bad := packet(protoTCP, 1, 2, 3, 4, t0)
	bad.Layers, bad.Flags = decode.HasIPv4, decode.Invalid
	for name, p := range map[string]*decode.Packet{
		"fragment": frag, "invalid": bad, "arp": {Layers: decode.HasARP}, "unknown": packet(99, 1, 2, 0, 0, t0),
		"unreachable alone": icmp(1, 2, 3, 1), "time exceeded": icmp(1, 2, 11, 0),
	} {
		if f, _ := x.Lookup(p, t0); f != nil || x.Refusal() != RefusedNoFlow {
			t.Errorf("%s: flow %v, refusal %v", name, f, x.Refusal())
		}
	}
}

func TestUpdate(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoUDP, 1, 2, 1000, 53, t0)
	f, _ := x.Lookup(p, t0)
	if s := x.Update(p, f, x.Dir(p, f)); s != First || f.State != New {
		t.Errorf("first packet: %v in state %v", s, f.State)
	}
	if s := x.Update(p, f, x.Dir(p, f)); s != 0 {
		t.Errorf("second packet: %v", s)
	}
	r := packet(protoUDP, 2, 1, 53, 1000, t0+second)
	r.TTL = 3
	f, _ = x.Lookup(r, t0+second)
	if s := x.Update(r, f, x.Dir(r, f)); s != First|FlowEstab || f.State != Established {
		t.Errorf("reply: %v in state %v", s, f.State)
	}
	if f.Pkts != [2]uint64{2, 1} || f.Bytes != [2]uint64{120, 60} || f.Last != t0+second || f.TTL[ToClient].Max != 3 {
		t.Errorf("counted %v packets, %v bytes, last %d", f.Pkts, f.Bytes, f.Last)
	}
	x.Swap(f)
	if x.Dir(p, f) != ToClient || f.Pkts != [2]uint64{1, 2} || !f.Has(Reversed) {
		t.Errorf("after swap: dir %v, packets %v", x.Dir(p, f), f.Pkts)
	}
	if g, created := x.Lookup(p, t0); g != f || created {
		t.Error("swapped flow is not found")
	}
}

func TestCaptureBypass(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoTCP, 1, 2, 1000, 80, t0)
	f, _ := x.Lookup(p, t0)
	f.State = CaptureBypassed
	p.Time = t0 + 50*second // half of the 100 s that bypassed flows live
	if x.Update(p, f, ToServer); f.State != CaptureBypassed || f.Last != t0 {
		t.Errorf("state %v, last %d", f.State, f.Last-t0)
	}
	p.Time++
	if x.Update(p, f, ToServer); f.State != LocalBypassed || f.Last != p.Time {
		t.Errorf("state %v, last %d", f.State, f.Last-t0)
	}
}

func TestDirSamePorts(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoUDP, 1, 2, 123, 123, t0)
	f, _ := x.Lookup(p, t0)
	if d := x.Dir(packet(protoUDP, 2, 1, 123, 123, t0), f); d != ToClient {
		t.Errorf("reply is %v", d)
	}
}

func TestExpire(t *testing.T) {
	x := table(t, Config{})
	type step struct {
		proto uint8
		state State
		after int64 // seconds until it times out, by Suricata's built-in defaults
	}
	for i, s := range []step{
		{protoTCP, New, 30}, {protoTCP, Established, 300}, {protoTCP, Closed, 10}, {protoUDP, New, 30},
		{protoUDP, Established, 300}, {protoUDP, LocalBypassed, 100}, {protoICMP, New, 30}, {protoSCTP, Established, 300},
	} {
		p := packet(s.proto, uint32(i), 99, 1, 2, t0)
		f, _ := x.Lookup(p, t0)
		f.State = s.state
		n := 0
		free := func(g *Flow) {
			if g != f || g.Reason != ReasonTimeout {
				t.Errorf("step %d: another flow ended, reason %v", i, g.Reason)
			}
			n++
			x.Free(g)
		}
		if x.Expire(t0+s.after*second-1, 100, free); n != 0 {
			t.Errorf("step %d: ended early", i)
		}
		if x.Expire(t0+s.after*second, 100, free); n != 1 {
			t.Errorf("step %d: %d ended", i, n)
		}
	}
	if x.Active() != 0 || x.Counters()[CountEndClosed] != 1 || x.Counters()[CountEndLocalBypassed] != 1 {
		t.Errorf("%d active, counters %v", x.Active(), x.Counters())
	}
}

func TestExpireSeesLaterPackets(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoUDP, 1, 2, 1, 2, t0)
	f, _ := x.Lookup(p, t0)
	p.Time = t0 + 20*second
	x.Update(p, f, ToServer)
	n := 0
	fn := func(g *Flow) { n++; x.Free(g) }
	if x.Expire(t0+49*second, 10, fn); n != 0 {
		t.Error("ended 29 s after its last packet")
	}
	if x.Expire(t0+50*second, 10, fn); n != 1 {
		t.Error("still there 30 s after its last packet")
	}
}

func TestLookupOfTimedOut(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoUDP, 1, 2, 1, 2, t0)
	f, _ := x.Lookup(p, t0)
	id := f.ID
	g, created := x.Lookup(p, t0+31*second)
	if !created || g.ID == id {
		t.Fatal("a timed-out flow was used again")
	}
	n := 0
	x.Expire(t0+31*second, 10, func(f *Flow) {
		n++
		if f.ID != id || f.Reason != ReasonTimeout {
			t.Errorf("ended flow %d, reason %v", f.ID, f.Reason)
		}
		x.Free(f)
	})
	if n != 1 {
		t.Errorf("%d flows ended", n)
	}
}

func TestReplace(t *testing.T) {
	x := table(t, Config{})
	p := packet(protoTCP, 1, 2, 1, 2, t0)
	f, _ := x.Lookup(p, t0)
	g := x.Replace(f, p, t0)
	if g == nil || g == f {
		t.Fatal("not replaced")
	}
	if h, _ := x.Lookup(p, t0); h != g {
		t.Error("lookup does not find the new flow")
	}
	x.Expire(t0, 10, func(e *Flow) {
		if e != f || e.Reason != ReasonTCPReuse || !e.Has(Reused) {
			t.Errorf("reason %v", e.Reason)
		}
		x.Free(e)
	})
}

func TestEmergency(t *testing.T) {
	x := table(t, Config{Memcap: 100 * 400, Midstream: true})
	n := int(x.maxFlows)
	for i := range n {
		p := packet(protoTCP, uint32(i), 99999, 1, 2, t0+int64(i))
		if f, _ := x.Lookup(p, p.Time); f == nil {
			t.Fatalf("refused flow %d of %d", i, n)
		}
	}
	late := packet(protoTCP, 77777, 99999, 1, 2, t0)
	if f, _ := x.Lookup(late, t0); f != nil || x.Refusal() != RefusedMemcap || !x.Emergency() {
		t.Fatalf("all flows are young, yet one was evicted: %v", x.Refusal())
	}
	f, _ := x.Lookup(late, t0+3*second)
	if f == nil {
		t.Fatal("nothing was evicted")
	}
	got := 0
	x.Expire(t0+3*second, 10, func(f *Flow) {
		got++
		if f.Src != addr(0) || f.Reason != ReasonForced {
			t.Errorf("evicted %v for reason %v, want the oldest", f.Src, f.Reason)
		}
		x.Free(f)
	})
	if got != 1 {
		t.Errorf("%d flows handed up", got)
	}
	ack := packet(protoTCP, 88888, 99999, 1, 2, t0)
	ack.TCP.Flags = decode.ACK
	if f, _ := x.Lookup(ack, t0+3*second); f != nil || x.Refusal() != RefusedMidstream {
		t.Errorf("an ACK made a flow in emergency mode: %v", x.Refusal())
	}
	// Emergency time-outs apply: TCP new 10 s.
	x.Expire(t0+14*second, 1000, x.Free)
	if x.Active() != 0 {
		t.Errorf("%d flows left", x.Active())
	}
	x.Expire(t0+15*second, 1000, x.Free)
	x.Expire(t0+23*second, 1000, x.Free)
	if x.Emergency() || x.Counters()[CountEmergOver] != 1 {
		t.Error("emergency is not over")
	}
}

func TestAllOldestFirst(t *testing.T) {
	x := table(t, Config{})
	for i := range 100 {
		proto := []uint8{protoTCP, protoUDP, protoICMP}[i%3]
		at := t0 + int64(i)*second
		x.Lookup(packet(proto, uint32(i), 5, 1, 2, at), at)
	}
	last, n := int64(0), 0
	x.All(func(f *Flow) {
		if f.Last < last || f.Reason != ReasonShutdown {
			t.Errorf("flow %d out of order", n)
		}
		last = f.Last
		n++
		x.Free(f)
	})
	if n != 100 {
		t.Errorf("%d flows", n)
	}
}

// TestRandom compares the table with a map over many operations, with a table that grows and ends flows.
func TestRandom(t *testing.T) {
	x := table(t, Config{HashSize: 16})
	r := rand.New(rand.NewSource(3))
	want := map[[2]uint32]uint64{}
	ids := map[uint64]bool{}
	now := t0
	drop := func(f *Flow) {
		src, port := f.Src, f.SrcPort
		if port == 9999 {
			src, port = f.Dst, f.DstPort
		}
		delete(want, [2]uint32{binary.BigEndian.Uint32(src[:4]), uint32(port)})
		x.Free(f)
	}
	for range 200000 {
		now += int64(r.Intn(2_000_000))
		k := [2]uint32{uint32(r.Intn(200)), uint32(r.Intn(200))}
		p := packet(protoUDP, k[0], 1<<24, uint16(k[1]), 9999, now)
		x.Expire(now, 1<<30, drop)
		if r.Intn(2) == 0 && want[k] != 0 {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		f, created := x.Lookup(p, now)
		x.Expire(now, 1<<30, drop) // lists are in order within a second, so Lookup may see a time-out first
		if created != (want[k] == 0) {
			t.Fatalf("created %v, known %v", created, want[k] != 0)
		}
		if created {
			if ids[f.ID] || f.ID > idMask {
				t.Fatalf("id %d", f.ID)
			}
			ids[f.ID] = true
			want[k] = f.ID
		} else if f.ID != want[k] {
			t.Fatal("another flow")
		}
		x.Update(p, f, x.Dir(p, f))
		if len(want) != x.Active() {
			t.Fatalf("%d flows, want %d", x.Active(), len(want))
		}
	}
	if x.nrows <= 16 {
		t.Error("the table did not grow")
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	x := table(t, Config{Prealloc: 10000})
	p := packet(protoTCP, 1, 2, 3, 4, t0)
	i := uint32(0)
	if n := testing.AllocsPerRun(5000, func() {
		i++
		p.Src = addr(i % 4000)
		f, _ := x.Lookup(p, t0)
		x.Update(p, f, x.Dir(p, f))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestIDs(t *testing.T) {
	seen := map[uint64]bool{}
	var last uint64
	ordered := 0
	for w := range uint8(3) {
		x := table(t, Config{Seed: 7, Worker: w})
		for range 20000 {
			id := x.ids.next()
			if id == 0 || id > idMask || seen[id] {
				t.Fatalf("worker %d: id %d", w, id)
			}
			seen[id] = true
			if id > last {
				ordered++
			}
			last = id
		}
	}
	if ordered < 20000 || ordered > 40000 { // half of 60000, if the next id cannot be told from the last
		t.Errorf("%d ids are greater than the one before", ordered)
	}
	if a, b := table(t, Config{Seed: 7}), table(t, Config{Seed: 8}); a.ids.next() == b.ids.next() {
		t.Error("ids do not depend on the seed")
	}
}

func TestHashOfFragments(t *testing.T) {
	a, b := packet(protoUDP, 1, 2, 10, 20, t0), packet(protoUDP, 2, 1, 0, 0, t0)
	a.Flags |= decode.Fragment
	b.Flags |= decode.Fragment
	b.Layers = decode.HasIPv4
	if Hash(a) != Hash(b) {
		t.Error("first and later fragments of two hosts hash differently")
	}
	if Hash(&decode.Packet{Layers: decode.HasARP}) != 0 {
		t.Error("a packet without addresses has a hash")
	}
}

func TestHashSpreads(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		var rows [256]int
		for i := range 25600 {
			p := packet(protoTCP, uint32(i>>8), 7, uint16(i&255), 80, t0)
			if v6 {
				p.IPVersion, p.Src[15], p.Dst[12] = 6, 1, 9
			}
			rows[Hash(p)&255]++
		}
		for i, n := range rows {
			if n < 50 || n > 160 { // mean 100, standard deviation 10
				t.Errorf("v6 %v: %d flows in row %d of 256, want about 100", v6, n, i)
			}
		}
	}
}

func TestElephant(t *testing.T) {
	x := table(t, Config{RateBytes: 100, RateInterval: 2})
	p := packet(protoUDP, 1, 2, 3, 4, t0)
	f, _ := x.Lookup(p, t0)
	for i, want := range []bool{false, false, true} { // 60 bytes at 0 s, 3 s, 3 s
		if i > 0 {
			p.Time = t0 + 3*second
		}
		if got := x.Update(p, f, ToServer)&NowElephant != 0; got != want {
			t.Errorf("packet %d: elephant %v", i, got)
		}
	}
	if x.Counters()[CountElephantTS] != 1 {
		t.Error("not counted")
	}
}

func BenchmarkLookupHit(b *testing.B) {
	for _, n := range []int{1, 1000, 100000} {
		b.Run(map[int]string{1: "1", 1000: "1k", 100000: "100k"}[n], func(b *testing.B) {
			x := table(b, Config{})
			p := packet(protoTCP, 0, 7, 1, 80, t0)
			for i := range n {
				p.Src = addr(uint32(i))
				x.Lookup(p, t0)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				p.Src = addr(uint32(i*7919) % uint32(n))
				x.Lookup(p, t0)
			}
		})
	}
}

func FuzzLookup(f *testing.F) {
	f.Add([]byte{6, 1, 2, 3, 4, 0, 0, 0, 0, 17, 1, 2, 3, 4, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		x := NewTable(Config{Seed: 1, Memcap: 20 * 400, HashSize: 16})
		defer x.Close()
		now := t0
		for ; len(b) >= 9; b = b[9:] {
			p := packet(b[0], uint32(b[1]&3), uint32(b[2]&3), uint16(b[3]&3), uint16(b[4]&3), now)
			p.Flags, p.ICMPType, p.ICMPCode = decode.Flags(b[5]), b[6], b[7]
			if b[8]&1 != 0 {
				p.Layers |= decode.HasEmbedded
				p.InnerIPVersion, p.InnerProto, p.InnerSrc, p.InnerDst = 4, b[7], p.Dst, p.Src
			}
			now += int64(b[8]) * second / 8
			p.Time = now
			fl, _ := x.Lookup(p, now)
			if fl != nil {
				x.Update(p, fl, x.Dir(p, fl))
				if b[8]&2 != 0 {
					fl.State = State(b[7]) % StateCount
				}
				if b[8]&4 != 0 {
					x.Replace(fl, p, now)
				} else if b[8]&8 != 0 {
					x.Swap(fl)
				}
			}
			x.Expire(now, int(b[8]), x.Free)
		}
		x.All(x.Free)
		if x.Active() != 0 || x.pending != 0 || x.slab.InUse() != 0 {
			t.Fatalf("%d active, %d pending, %d records", x.Active(), x.pending, x.slab.InUse())
		}
	})
}
