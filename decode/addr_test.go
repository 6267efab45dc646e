package decode

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"sentinel/capture"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func TestAddr(t *testing.T) {
	// The texts are those of inet_ntop(3) of glibc.
	tests := []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"2001:db8::1", "2001:db8::1"},
		{"::", "::"},
		{"::1", "::1"},
		{"::1234", "::1234"},
		{"::1.2.3.4", "::1.2.3.4"},
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
		{"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
		{"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
		{"fe80:0:0:0:1:0:0:0", "fe80::1:0:0:0"},
	}
	for _, tc := range tests {
		t.Run(tc.in, func(t *testing.T) {
			a, v := AddrFromNetip(netip.MustParseAddr(tc.in))
			if got := a.String(v); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if a.Netip(v) != netip.MustParseAddr(tc.in) {
				t.Errorf("netip %v", a.Netip(v))
			}
		})
	}
	a := AddrFrom4([4]byte{192, 0, 2, 1})
	if a.As16(4) != netip.MustParseAddr("::ffff:192.0.2.1").As16() || a.As4() != [4]byte{192, 0, 2, 1} {
		t.Errorf("%v", a)
	}
}

// TestSum compares the fast checksum with RFC 1071's definition, byte pair by byte pair.
func TestSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
			if n%3 == 0 {
				b[i] = 0xff
			}
		}
		var want uint32
		for i, x := range b {
			if i%2 == 0 {
				want += uint32(x) << 8
			} else {
				want += uint32(x)
			}
		}
		for want > 0xffff {
			want = want>>16 + want&0xffff
		}
		got := fold(sum(b, 0))
		if got = got<<8 | got>>8; uint32(got) != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}

func TestChecksums(t *testing.T) {
	icmp6 := build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolICMPv6), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}, gopacket.Payload("\x00\x01\x00\x02abc"))
	tests := []struct {
		name   string
		frame  []byte
		l3, l4 int // offsets of bytes whose change breaks the sum; 0 for none
	}{
		{"tcp4", build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), gopacket.Payload("odd")), 22, 60},
		{"tcp6", build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolTCP), tcpSegment(), gopacket.Payload("odd")), 0, 60},
		{"udp4", build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload("odd")), 22, 44},
		{"udp6", build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload("odd")), 0, 62},
		{"icmp4", build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}, gopacket.Payload("odd")), 22, 43},
		{"icmp6", icmp6, 0, 60},
	}
	decodeOK := func(b []byte) (bool, bool, Flags) {
		s, _ := decodeOne(capture.LinkEthernet, b)
		p := &s.Packets[0]
		return p.ChecksumL3OK(), p.ChecksumL4OK(), p.Flags
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if l3, l4, f := decodeOK(tc.frame); !l3 || !l4 || f&(BadChecksumL3|BadChecksumL4) != 0 || f&ChecksumKnown == 0 {
				t.Errorf("right sums: %v %v %b", l3, l4, f)
			}
			if tc.l3 != 0 {
				b := slices.Clone(tc.frame)
				b[tc.l3] ^= 1
				if l3, _, f := decodeOK(b); l3 || f&BadChecksumL3 == 0 {
					t.Errorf("wrong header sum is taken for right")
				}
			}
			b := slices.Clone(tc.frame)
			b[tc.l4] ^= 1
			if _, l4, f := decodeOK(b); l4 || f&BadChecksumL4 == 0 {
				t.Errorf("wrong transport sum is taken for right")
			}
		})
	}
	t.Run("udp4 without", func(t *testing.T) {
		if _, l4, _ := decodeOK(unhex(t, hexEth4+hexUDP4)); !l4 {
			t.Error("no sum is taken for a wrong one")
		}
	})
	t.Run("hardware", func(t *testing.T) {
		s := NewStack(DefaultConfig())
		b := slices.Clone(tests[0].frame)
		s.Decode(&capture.Frame{Data: b, Link: capture.LinkEthernet, Flags: capture.ChecksumBad})
		if s.Packets[0].ChecksumL4OK() {
			t.Error("the driver's word does not count")
		}
		b[60] ^= 1
		s.Decode(&capture.Frame{Data: b, Link: capture.LinkEthernet, Flags: capture.ChecksumOK})
		if !s.Packets[0].ChecksumL4OK() {
			t.Error("the driver's word does not count")
		}
	})
}

func TestCounterNames(t *testing.T) {
	seen := map[string]bool{}
	for i, name := range CountNames {
		if name == "" || seen[name] {
			t.Errorf("counter %d: name %q", i, name)
		}
		seen[name] = true
	}
	for e, want := range map[Event]string{
		EvIPv4TruncPacket: "decoder.event.ipv4.trunc_pkt",
		FirstStreamEvent:  FirstStreamEvent.Name(),
	} {
		if got := e.CounterName("decoder.event"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
