package defrag

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/decode"
)

// v6Fragment builds an IPv6 packet that carries a part behind the given unfragmentable extension header.
func v6Fragment(id uint32, next uint8, ext []byte, p part) []byte {
	n := len(ext) + 8 + len(p.data)
	first := uint8(44)
	if len(ext) > 0 {
		first = 0 // hop-by-hop
	}
	b := []byte{0x60, 0, 0, 0, byte(n >> 8), byte(n), first, 64}
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
	b = append(b, ext...)
	field := uint16(p.off)
	if p.more {
		field |= 1
	}
	b = append(b, next, 0, byte(field>>8), byte(field), byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	return append(b, p.data...)
}

// cut divides data into fragments at random multiples of eight.
func cut(r *rand.Rand, data []byte) []part {
	var l []part
	for at := 0; at < len(data); {
		n := 8 * (1 + r.IntN(200))
		if r.IntN(4) == 0 {
			n = 8
		}
		end := min(at+n, len(data))
		l = append(l, part{off: at, more: end < len(data), data: data[at:end]})
		at = end
	}
	r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
	return l
}

// TestAnyOrder sends fragments that do not overlap in any order, several datagrams mixed, and wants them back.
func TestAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := decode.NewStack(decode.DefaultConfig())
	ext := []byte{44, 0, 5, 2, 0, 0, 1, 0}
	for round := range 100 {
		table := New(Config{HashSize: 8})
		type sent struct {
			id   int
			part part
		}
		var all []sent
		want := make([][]byte, 6)
		for id := range want {
			data := make([]byte, 1601+r.IntN(4000)) // no fragment is that long
			if round == 0 && id == 0 {
				data = make([]byte, 65515-8)
			}
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			// A UDP header, so that the datagram decodes.
			binary.BigEndian.PutUint16(data[4:], uint16(len(data)))
			want[id] = data
			for _, p := range cut(r, data) {
				all = append(all, sent{id, p})
			}
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		got := 0
		for i, f := range all {
			var b []byte
			switch {
			case f.id%3 == 0:
				b = v4Fragment(uint16(f.id), 17, f.part)
			case f.id%3 == 1:
				b = v6Fragment(uint32(f.id), 17, nil, f.part)
			default:
				b = v6Fragment(uint32(f.id), 17, ext, f.part)
			}
			d, ok, p := add(t, s, table, b, int64(i))
			if !p.Events.Empty() && f.id%3 == 0 {
				t.Fatalf("events of fragment %d", i)
			}
			if !ok {
				continue
			}
			got++
			n := s.DecodeDatagram(0, d, f.id%3 != 0)
			if n != 2 {
				t.Fatalf("datagram %d does not decode", f.id)
			}
			q := &s.Packets[1]
			if !q.Is(decode.HasUDP) || q.Has(decode.Fragment|decode.Invalid) || !bytes.Equal(q.L4, want[f.id]) || q.Proto != 17 || q.MoreFrags || q.FragOffset != 0 {
				t.Errorf("datagram %d came back changed: %+v", f.id, q)
			}
			if f.id%3 == 2 && q.ExtHeaders != decode.ExtHopByHop {
				t.Errorf("datagram %d: extension headers %b", f.id, q.ExtHeaders)
			}
		}
		if got != len(want) || table.Len() != 0 || table.store.inUse != 0 {
			t.Errorf("%d of %d datagrams, %d trackers and %d pieces left", got, len(want), table.Len(), table.store.inUse)
		}
	}
}

func TestChecksum(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	for _, wrong := range []bool{false, true} {
		table := New(Config{HashSize: 8})
		first := v4Fragment(7, 17, part{0, true, make([]byte, 8)})
		binary.BigEndian.PutUint16(first[10:], headerSum(first))
		if wrong {
			first[10] ^= 0x40
		}
		add(t, s, table, first, 0)
		d, ok, _ := add(t, s, table, v4Fragment(7, 17, part{8, false, []byte("abc")}), 0)
		if !ok {
			t.Fatal("no datagram")
		}
		s.DecodeDatagram(0, d, false)
		if got := s.Packets[1].ChecksumL3OK(); got == wrong {
			t.Errorf("header sum right: %v, want %v", got, !wrong)
		}
	}
}

// headerSum computes the checksum of an IPv4 header as RFC 791 says.
func headerSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < 20; i += 2 {
		if i != 10 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestKey(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	first := func() []byte { return v4Fragment(7, 17, part{0, true, make([]byte, 8)}) }
	last := func() []byte { return v4Fragment(7, 17, part{8, false, []byte("abc")}) }
	for name, change := range map[string]func(b []byte, f *capture.Frame){
		"id":     func(b []byte, f *capture.Frame) { b[5]++ },
		"proto":  func(b []byte, f *capture.Frame) { b[9]++ },
		"source": func(b []byte, f *capture.Frame) { b[12]++ },
		"dest":   func(b []byte, f *capture.Frame) { b[16]++ },
		"vlan":   func(b []byte, f *capture.Frame) { f.VLAN[0] = 9 },
	} {
		t.Run(name, func(t *testing.T) {
			table := New(Config{HashSize: 1})
			add(t, s, table, first(), 0)
			f := &capture.Frame{Data: last(), Link: capture.LinkRaw}
			change(f.Data, f)
			s.Decode(f)
			if _, ok := table.Add(&s.Packets[0], 0); ok {
				t.Error("fragments of two datagrams were joined")
			}
			if _, ok, _ := add(t, s, table, last(), 0); !ok {
				t.Error("the right fragment was not joined")
			}
		})
	}
}

func TestIgnoredParts(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	table := New(Config{HashSize: 1, IgnoreVLAN: true, IgnoreDepth: true})
	add(t, s, table, v4Fragment(7, 17, part{0, true, make([]byte, 8)}), 0)
	s.Decode(&capture.Frame{Data: v4Fragment(7, 17, part{8, false, []byte("abc")}), Link: capture.LinkRaw, VLAN: [2]uint16{9}})
	s.Packets[0].Depth = 1
	if _, ok := table.Add(&s.Packets[0], 0); !ok {
		t.Error("VLAN or depth told fragments apart")
	}
}

func TestTimeout(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	short := func(dst decode.Addr, v6 bool) time.Duration {
		if dst == decode.AddrFrom4([4]byte{198, 51, 100, 2}) {
			return 5 * time.Second
		}
		return 0
	}
	tests := []struct {
		name string
		conf Config
		wait time.Duration
		want bool
	}{
		{"default in time", Config{}, 59 * time.Second, true},
		{"default", Config{}, 60 * time.Second, false},
		{"configured", Config{Timeout: 10 * time.Second}, 11 * time.Second, false},
		{"host in time", Config{HostTimeout: short}, 4 * time.Second, true},
		{"host", Config{HostTimeout: short}, 6 * time.Second, false},
		{"backwards", Config{}, -time.Hour, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			table := New(tc.conf)
			start := int64(1e18)
			add(t, s, table, v4Fragment(7, 17, part{0, true, make([]byte, 8)}), start)
			_, ok, _ := add(t, s, table, v4Fragment(7, 17, part{8, false, []byte("abc")}), start+int64(tc.wait))
			if ok != tc.want {
				t.Errorf("done %v, want %v", ok, tc.want)
			}
			if !tc.want && table.Stats.Timeouts != 1 {
				t.Errorf("stats %+v", table.Stats)
			}
		})
	}
	table := New(Config{})
	add(t, s, table, v4Fragment(7, 17, part{0, true, make([]byte, 8)}), 0)
	if n := table.Expire(int64(59 * time.Second)); n != 0 {
		t.Errorf("%d expired early", n)
	}
	if n := table.Expire(int64(60 * time.Second)); n != 1 || table.Len() != 0 || table.store.inUse != 0 {
		t.Errorf("%d expired, %d left", n, table.Len())
	}
}

func TestTooLarge(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	table := New(Config{})
	_, _, p := add(t, s, table, v4Fragment(7, 17, part{65512, false, make([]byte, 8)}), 0)
	if !p.Events.Has(decode.EvIPv4FragPacketTooLarge) {
		t.Error("IPv4: no event")
	}
	_, _, p = add(t, s, table, v6Fragment(7, 17, nil, part{65528, false, make([]byte, 8)}), 0)
	if !p.Events.Has(decode.EvIPv6FragPacketTooLarge) {
		t.Error("IPv6: no event")
	}
	// Options of the first fragment's header make a datagram too long that its fragments are not.
	first := v4Fragment(7, 17, part{0, true, make([]byte, 65496)})
	first = append(append(bytes.Clone(first[:20]), make([]byte, 8)...), first[20:]...)
	first[0] = 0x47
	binary.BigEndian.PutUint16(first[2:], uint16(len(first)))
	add(t, s, table, first, 0)
	_, ok, p := add(t, s, table, v4Fragment(7, 17, part{65496, false, make([]byte, 19)}), 0)
	if ok || !p.Events.Has(decode.EvIPv4FragPacketTooLarge) || table.Len() != 0 {
		t.Errorf("done %v, %d left", ok, table.Len())
	}
}

func TestLimits(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	t.Run("trackers", func(t *testing.T) {
		table := New(Config{Trackers: 4})
		for i := range 10 {
			add(t, s, table, v4Fragment(uint16(i), 17, part{0, true, make([]byte, 8)}), int64(i))
		}
		if table.Len() != 4 || table.Stats.HardReuse != 6 {
			t.Errorf("%d trackers, stats %+v", table.Len(), table.Stats)
		}
		if _, ok, _ := add(t, s, table, v4Fragment(9, 17, part{8, false, []byte("a")}), 10); !ok {
			t.Error("the newest datagram was lost")
		}
		add(t, s, table, v4Fragment(20, 17, part{0, true, make([]byte, 8)}), int64(time.Hour))
		add(t, s, table, v4Fragment(21, 17, part{0, true, make([]byte, 8)}), int64(time.Hour))
		if table.Stats.SoftReuse+table.Stats.Timeouts == 0 {
			t.Errorf("stats %+v", table.Stats)
		}
	})
	t.Run("fragments", func(t *testing.T) {
		table := New(Config{MaxFrags: 4})
		var p *decode.Packet
		for i := range 5 {
			_, _, p = add(t, s, table, v4Fragment(7, 17, part{i * 16, true, make([]byte, 8)}), 0)
		}
		if !p.Events.Has(decode.EvIPv4FragIgnored) || table.Stats.MaxFrags != 1 || table.Len() != 0 {
			t.Errorf("events %v, stats %+v, %d left", p.Events, table.Stats, table.Len())
		}
	})
	t.Run("memcap", func(t *testing.T) {
		table := New(Config{Memcap: 256 << 10, HashSize: 64, Prealloc: true})
		for i := range 5000 {
			add(t, s, table, v4Fragment(uint16(i), 17, part{0, true, make([]byte, 1400)}), int64(i))
			if table.MemUse() > 256<<10 {
				t.Fatalf("%d bytes", table.MemUse())
			}
		}
		if table.Stats.HardReuse == 0 {
			t.Errorf("stats %+v", table.Stats)
		}
		if _, ok, _ := add(t, s, table, v4Fragment(4999, 17, part{1400, false, []byte("a")}), 5000); !ok {
			t.Error("the newest datagram was lost")
		}
	})
	t.Run("no memory at all", func(t *testing.T) {
		table := New(Config{Memcap: 1})
		_, ok, p := add(t, s, table, v4Fragment(1, 17, part{0, true, make([]byte, 8)}), 0)
		if ok || !p.Events.Has(decode.EvIPv4FragIgnored) {
			t.Error("no event")
		}
	})
}

func TestOddFragments(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	t.Run("empty", func(t *testing.T) {
		table := New(Config{})
		add(t, s, table, v4Fragment(7, 17, part{8, false, nil}), 0)
		if _, ok, _ := add(t, s, table, v4Fragment(7, 17, part{0, true, make([]byte, 8)}), 0); ok {
			t.Error("an empty fragment ended a datagram")
		}
	})
	t.Run("not a fragment", func(t *testing.T) {
		table := New(Config{})
		if _, ok, _ := add(t, s, table, v4Fragment(7, 17, part{0, false, make([]byte, 8)}), 0); ok || table.Len() != 0 {
			t.Error("a whole packet was taken")
		}
	})
	t.Run("bytes behind the last", func(t *testing.T) {
		table := New(Config{})
		add(t, s, table, v4Fragment(7, 17, part{16, true, []byte("behindxx")}), 0)
		add(t, s, table, v4Fragment(7, 17, part{8, false, []byte("last")}), 0)
		d, ok, _ := add(t, s, table, v4Fragment(7, 17, part{0, true, []byte("firstxxx")}), 0)
		if !ok || string(d[20:]) != "firstxxxlast" {
			t.Errorf("%v %q", ok, d)
		}
	})
	t.Run("two datagrams live", func(t *testing.T) {
		table := New(Config{})
		var got [2][]byte
		for i := range got {
			add(t, s, table, v4Fragment(7, 17, part{8, false, []byte{byte('a' + i)}}), 0)
			got[i], _, _ = add(t, s, table, v4Fragment(7, 17, part{0, true, make([]byte, 8)}), 0)
		}
		if got[0][28] != 'a' || got[1][28] != 'b' {
			t.Errorf("%q", got)
		}
	})
}

func TestAllocs(t *testing.T) {
	s := decode.NewStack(decode.DefaultConfig())
	table := New(Config{})
	a := &capture.Frame{Data: v4Fragment(7, 17, part{0, true, make([]byte, 1480)}), Link: capture.LinkRaw}
	b := &capture.Frame{Data: v4Fragment(7, 17, part{1480, false, make([]byte, 1000)}), Link: capture.LinkRaw}
	if n := testing.AllocsPerRun(200, func() {
		s.Decode(a)
		table.Add(&s.Packets[0], 0)
		s.Decode(b)
		if _, ok := table.Add(&s.Packets[0], 0); !ok {
			t.Fatal("no datagram")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAdd reads fragments from its input: six bytes each say what they are.
func FuzzAdd(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 8, 0, 0, 1, 0, 1, 8, 0}, uint8(0))
	f.Add([]byte{1, 0, 1, 1, 8, 0, 1, 1, 0, 1, 8, 0}, uint8(1))
	f.Add([]byte{2, 0, 1, 1, 200, 0, 2, 1, 0, 1, 100, 0, 2, 0, 0, 1, 10, 0}, uint8(4))
	f.Add([]byte{0, 2, 1, 1, 255, 255, 0, 1, 1, 1, 255, 255, 0, 0, 1, 1, 3, 3, 0, 4, 0, 1, 1, 0}, uint8(6))
	s := decode.NewStack(decode.DefaultConfig())
	data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	f.Fuzz(func(t *testing.T, ops []byte, policy uint8) {
		const memcap = 64 << 10
		table := New(Config{Memcap: memcap, HashSize: 2, Trackers: 8, MaxFrags: 64, Timeout: time.Second,
			Policy: func(decode.Addr, bool) Policy { return Policy(policy % 7) }})
		ext := []byte{44, 0, 5, 2, 0, 0, 1, 0}
		now := int64(0)
		for ; len(ops) >= 6; ops = ops[6:] {
			off := int(ops[1]) * 8
			if ops[5] == 255 {
				off = int(ops[1]) * 256
			}
			p := part{off: off, more: ops[2]&1 != 0, data: data[:min(int(ops[4])*(1+int(ops[5])), 60000)]}
			var b []byte
			switch ops[0] % 3 {
			case 0:
				b = v4Fragment(uint16(ops[3]), 17, p)
			case 1:
				b = v6Fragment(uint32(ops[3]), 17, nil, p)
			default:
				b = v6Fragment(uint32(ops[3]), 17, ext, p)
			}
			now += int64(ops[2]>>1) * 1e7
			d, ok, pkt := add(t, s, table, b, now)
			if table.MemUse() > memcap {
				t.Fatalf("%d bytes", table.MemUse())
			}
			if ok {
				if n := s.DecodeDatagram(0, d, pkt.IPVersion == 6); n < 2 {
					t.Fatalf("a datagram does not decode: %x", d[:min(len(d), 80)])
				}
			}
		}
		table.Expire(now + int64(time.Hour))
		if table.Len() != 0 || table.store.inUse != 0 {
			t.Fatalf("%d trackers, %d pieces left", table.Len(), table.store.inUse)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	s := decode.NewStack(decode.DefaultConfig())
	table := New(Config{})
	first := &capture.Frame{Data: v4Fragment(7, 17, part{0, true, make([]byte, 1480)}), Link: capture.LinkRaw}
	last := &capture.Frame{Data: v4Fragment(7, 17, part{1480, false, make([]byte, 1000)}), Link: capture.LinkRaw}
	b.ReportAllocs()
	for b.Loop() {
		s.Decode(first)
		table.Add(&s.Packets[0], 0)
		s.Decode(last)
		table.Add(&s.Packets[0], 0)
	}
}
