package keyword

import (
	"math"
	"testing"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/stream"
	dir "sentinel/stream/flow"
)

// frame decodes one Ethernet frame.
func frame(t testing.TB, b []byte) *decode.Packet {
	t.Helper()
	s := decode.NewStack(decode.DefaultConfig())
	s.Decode(&capture.Frame{Data: b, WireLen: uint32(len(b)), Link: capture.LinkEthernet})
	return &s.Packets[0]
}

// ipv4 puts an IPv4 header and a link-layer header before a payload.
func ipv4(proto byte, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, byte(20 + len(payload)), 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	return append(b, payload...)
}

func TestIGMP(t *testing.T) {
	// RFC 2236, 2: a report of version 2 for 224.0.0.5, whose sum is 0x16 00 + 0xe0 00 + 0x00 05.
	good := ipv4(2, []byte{0x16, 0, 0x09, 0xfa, 224, 0, 0, 5})
	bad := ipv4(2, []byte{0x16, 0, 0x09, 0xfb, 224, 0, 0, 5})
	match := func(m detect.Match, b []byte) bool { return m.Match(&detect.Ctx{Packet: frame(t, b)}) }
	const layers = decode.HasIPv4 | decode.HasIGMP
	for _, c := range []struct {
		name string
		m    detect.Match
		b    []byte
		want bool
	}{
		{"valid", csumMatch{layers, true}, good, true},
		{"not invalid", csumMatch{layers, false}, good, false},
		{"invalid", csumMatch{layers, false}, bad, true},
		{"type", igmpTypeMatch{detect.Uint{Lo: 0x16}}, good, true},
		{"other type", igmpTypeMatch{detect.Uint{Lo: 0x11}}, good, false},
		{"udp has none", igmpTypeMatch{detect.Uint{Mode: detect.UintNotEqual, Lo: 1}}, ipv4(17, []byte{0, 1, 0, 2, 0, 8, 0, 0}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := match(c.m, c.b); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSCTP(t *testing.T) {
	// RFC 9260, 3: common header with tag 7, then COOKIE ACK, and DATA of 18 bytes with its padding.
	p := frame(t, ipv4(132, []byte{0, 1, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0,
		11, 0, 0, 4,
		0, 3, 0, 18, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'h', 'i', 0, 0}))
	c := &detect.Ctx{Packet: p}
	for _, x := range []struct {
		name string
		m    detect.Match
		want bool
	}{
		{"tag", vtagMatch{detect.Uint{Lo: 7}}, true},
		{"other tag", vtagMatch{detect.Uint{Lo: 8}}, false},
		{"two chunks", chunkCntMatch{detect.Uint{Lo: 2}}, true},
		{"not three", chunkCntMatch{detect.Uint{Lo: 3}}, false},
		{"cookie ack", chunkTypeMatch{detect.Uint{Lo: 11}}, true},
		{"data", chunkTypeMatch{detect.Uint{Lo: 0}}, true},
		{"init", chunkTypeMatch{detect.Uint{Lo: 1}}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := x.m.Match(c); got != x.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// The syntax is the user guide's, chapter integer keywords, multi-integers.
func TestIntList(t *testing.T) {
	for _, c := range []struct {
		value string
		list  []uint16
		want  bool
	}{
		{"200", []uint16{100, 200}, true},
		{"200", nil, false},
		{"200,any", []uint16{100}, false},
		{"200,all", []uint16{200, 200}, true},
		{"200,all", []uint16{200, 100}, false},
		{"200,all", nil, false},
		{"200,all_or_absent", nil, true},
		{"200,all_or_absent", []uint16{100}, false},
		{"200,or_absent", nil, true},
		{"200,or_absent", []uint16{100}, false},
		{"200,or_absent", []uint16{100, 200}, true},
		{"200,0", []uint16{200, 100}, true},
		{"200,1", []uint16{200, 100}, false},
		{"200,-1", []uint16{100, 200}, true},
		{"200,-3", []uint16{100, 200}, false},
		{"200,oob_or -3", []uint16{100, 200}, true},
		{"200,oob_or 1", []uint16{100, 200}, true},
		{"200,oob_or 0", []uint16{100, 200}, false},
		{">100,nb 2", []uint16{100, 200, 300}, true},
		{">100,nb>2", []uint16{100, 200, 300}, false},
		{"count 2", []uint16{1, 2}, true},
		{"count >2", []uint16{1, 2}, false},
		{"count 0", nil, true},
		{"300,any,1:2", []uint16{300, 200, 300}, false},
		{"300,any,1:0", []uint16{300, 200, 300}, true},
		{"300,all,-1:0", []uint16{100, 200, 300}, true},
		{"300,any,0:-1", []uint16{100, 200, 300}, false},
		{"300,all_or_absent,2:9", []uint16{100, 200, 300}, true},
	} {
		t.Run(c.value, func(t *testing.T) {
			l, err := parseIntList(c.value, 16)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.holds(c.list); got != c.want {
				t.Errorf("%v: got %v", c.list, got)
			}
		})
	}
	for _, v := range []string{"", "1,2,3,4", "1,foo", "1,any,2", "1,any,2:1", "1,any,-1:-2", "1,any,a:b", "count", "count x", "1,nb", "1,oob_or x", "65536"} {
		t.Run("refuse "+v, func(t *testing.T) {
			if l, err := parseIntList(v, 16); err == nil {
				t.Errorf("accepted: %+v", l)
			}
		})
	}
}

func TestFlowCounts(t *testing.T) {
	f := &dir.Flow{Start: 1_900_000_000, Last: 4_100_000_000, Pkts: [2]uint64{3, 5}, Bytes: [2]uint64{300, 500}, Flags: dir.Elephant | dir.ElephantTC}
	c := &detect.Ctx{Flow: f}
	five := detect.Uint{Lo: 5}
	more := detect.Uint{Mode: detect.UintGreater, Lo: 299}
	for _, x := range []struct {
		name string
		m    detect.Match
		want bool
	}{
		{"age counts seconds", ageMatch{detect.Uint{Lo: 3}}, true},
		{"to server", pktsMatch{countMatch{toServer, five}}, false},
		{"to client", pktsMatch{countMatch{toClient, five}}, true},
		{"either", pktsMatch{countMatch{either, five}}, true},
		{"both", pktsMatch{countMatch{both, five}}, false},
		{"bytes of both", bytesMatch{countMatch{both, more}}, true},
		{"elephant to server", elephantMatch{toServer}, false},
		{"elephant to client", elephantMatch{toClient}, true},
		{"elephant either", elephantMatch{either}, true},
		{"elephant both", elephantMatch{both}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := x.m.Match(c); got != x.want {
				t.Errorf("got %v", got)
			}
			if x.m.Match(&detect.Ctx{}) {
				t.Error("it matches without a flow")
			}
		})
	}
}

func TestShannon(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, c := range []struct {
		name string
		in   []byte
		want float64
	}{{"empty", nil, 0}, {"one symbol", []byte("aaaa"), 0}, {"two", []byte("abab"), 1}, {"all", all, 8}, {"skewed", []byte("aaab"), 0.8112781244591328}} {
		t.Run(c.name, func(t *testing.T) {
			if got := shannon(c.in); math.Abs(got-c.want) > 1e-12 {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProtoNames(t *testing.T) {
	// IANA, protocol numbers.
	for name, want := range map[string]uint8{"HOPOPT": 0, "ip": 0, "ICMP": 1, "tcp": 6, "TCP": 6, "udp": 17, "GRE": 47, "esp": 50, "AH": 51, "IPv6-ICMP": 58, "OSPF": 89, "sctp": 132, "Ethernet": 143, "rohc": 142} {
		if got, ok := protoByName(name); !ok || got != want {
			t.Errorf("%s: %d %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "-", "IP", "TcP", "nothing"} {
		if got, ok := protoByName(name); ok {
			t.Errorf("%q is %d", name, got)
		}
	}
}

// TestMatchesAllocateNothing holds for what runs on each packet.
func TestMatchesAllocateNothing(t *testing.T) {
	u := detect.Uint{Mode: detect.UintGreater, Lo: 1}
	p := frame(t, ipv4(17, []byte{0, 1, 0, 2, 0, 12, 0, 0, 1, 2, 3, 4}))
	c := &detect.Ctx{Packet: p, Flow: &dir.Flow{}}
	list, err := parseIntList("1,all", 16)
	if err != nil {
		t.Fatal(err)
	}
	ms := []detect.Match{
		tosMatch{1, true}, idMatch{u}, fragOffsetMatch{u}, fragBitsMatch{u}, ipOptMatch{1}, sameIPMatch{}, tcpFlagsMatch{u}, seqMatch{u},
		itypeMatch{u}, icmpIDMatch{u}, mtuMatch{u}, csumMatch{decode.HasIPv4 | decode.HasUDP, true}, vlanIDMatch{list}, vlanLayersMatch{u},
		ageMatch{u}, pktsMatch{countMatch{both, u}}, rpcMatch{}, chunkTypeMatch{u},
	}
	seen := map[detect.Match]bool{}
	for _, m := range ms {
		seen[m] = true // they must be comparable
	}
	if len(seen) != len(ms) {
		t.Error("two conditions are one")
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, m := range ms {
			m.Match(c)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzHeaderKeywords reads a value with every keyword of headers, and tries what comes out on a packet.
func FuzzHeaderKeywords(f *testing.F) {
	list := header()
	for i, v := range []string{"!5", "3-7", "&0xf=3", "S,CE", "+MD", "toserver,>=2", "both,1", "valid", "1,oob_or -3,1:0", "count>2", "100000,*,3", "bytes 5, value >= 4.5", "ICMP", "<200", "setup,closing", "x88", "any"} {
		f.Add(byte(i), v, ipv4(17, []byte{0, 1, 0, 2, 0, 12, 0, 0, 1, 2, 3, 4}))
		f.Add(byte(i*3), v, ipv4(1, []byte{8, 0, 0, 0, 0, 1, 0, 2}))
		f.Add(byte(i*7), v, ipv4(132, []byte{0, 1, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0, 1, 0, 0, 4}))
	}
	f.Fuzz(func(t *testing.T, i byte, v string, b []byte) {
		name := list[int(i)%len(list)].Name
		options := name + ":" + v
		for _, k := range list {
			if k.Name == name && k.Flags&detect.NoValue != 0 {
				options = name + "; content:\"a\""
			}
		}
		set, err := compile("ip", options)
		if err != nil {
			return
		}
		w := set.NewWorker(detect.NewShared(0))
		stack := decode.NewStack(decode.DefaultConfig())
		for k := range stack.Decode(&capture.Frame{Data: b, WireLen: uint32(len(b)), Link: capture.LinkEthernet}) {
			w.Inspect(unit(&stack.Packets[k]))
		}
	})
}

// unit is a packet without a flow.
func unit(p *decode.Packet) *stream.Unit { return &stream.Unit{Packet: p} }
