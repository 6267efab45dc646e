//go:build linux

package afpacket

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"sentinel/qa/live"
)

func frame(t *testing.T, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, all...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func eth(next layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: next}
}

func ip4(from, to byte, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: []byte{10, 0, 0, from}, DstIP: []byte{10, 0, 0, to}}
}

func ip6(from, to byte, proto layers.IPProtocol) *layers.IPv6 {
	a, b := make([]byte, 16), make([]byte, 16)
	a[0], a[15], b[0], b[15] = 0xfd, from, 0xfd, to
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: a, DstIP: b}
}

func udpPorts(from, to uint16) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
}

func tcpPorts(from, to uint16) *layers.TCP {
	return &layers.TCP{SrcPort: layers.TCPPort(from), DstPort: layers.TCPPort(to), DataOffset: 5}
}

// Both directions of a flow have one hash, through all that may lie around it, and other flows have others.
func TestFanoutProgram(t *testing.T) {
	p, err := loadBalancer("")
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOSYS) {
		live.Skip(t, "cannot load an eBPF program: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	data := gopacket.Payload(strings.Repeat("x", 64))
	hash := func(b []byte) uint32 {
		h, _, err := p.prog.Test(b)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	flow := func(from, to byte, sport, dport uint16) []byte {
		return frame(t, eth(layers.EthernetTypeIPv4), ip4(from, to, layers.IPProtocolUDP), udpPorts(sport, dport), data)
	}
	there, back := hash(flow(1, 2, 1000, 53)), hash(flow(2, 1, 53, 1000))
	if there != back || there == 0 {
		t.Fatalf("two directions: %#x and %#x", there, back)
	}
	if other := hash(flow(1, 2, 1001, 53)); other == there {
		t.Error("another port has the same hash")
	}
	if other := hash(flow(1, 3, 1000, 53)); other == there {
		t.Error("another address has the same hash")
	}
	tcp := frame(t, eth(layers.EthernetTypeIPv6), ip6(1, 2, layers.IPProtocolTCP), tcpPorts(1000, 80), data)
	tcp6 := hash(tcp)
	alone4, alone6 := hash(frame(t, eth(layers.EthernetTypeIPv4), ip4(1, 2, 253), data)), hash(frame(t, eth(layers.EthernetTypeIPv6), ip6(1, 2, 253), data))

	inner := func(from, to byte, sport, dport uint16) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ip4(from, to, layers.IPProtocolUDP), udpPorts(sport, dport), data}
	}
	list := func(first []gopacket.SerializableLayer, more []gopacket.SerializableLayer) []byte {
		return frame(t, append(first, more...)...)
	}
	type ls = []gopacket.SerializableLayer
	tag := func(typ layers.EthernetType) *layers.Dot1Q { return &layers.Dot1Q{VLANIdentifier: 7, Type: typ} }
	fragment := func(from, to byte, offset uint16, flags layers.IPv4Flag) *layers.IPv4 {
		f := ip4(from, to, layers.IPProtocolUDP)
		f.FragOffset, f.Flags = offset, flags
		return f
	}
	ext := func(next layers.IPProtocol, b ...byte) gopacket.Payload { return append([]byte{byte(next)}, b...) }
	udpBytes := func(sport, dport uint16) gopacket.Payload {
		return append([]byte{byte(sport >> 8), byte(sport), byte(dport >> 8), byte(dport), 0, 72, 0, 0}, data...)
	}
	plain6 := hash(frame(t, eth(layers.EthernetTypeIPv6), ip6(1, 2, layers.IPProtocolUDP), udpBytes(1000, 53)))
	tests := []struct {
		name string
		b    []byte
		want uint32
	}{
		{"IPv6, back", frame(t, eth(layers.EthernetTypeIPv6), ip6(2, 1, layers.IPProtocolTCP), tcpPorts(80, 1000), data), tcp6},
		{"a tag", list(ls{eth(layers.EthernetTypeDot1Q), tag(layers.EthernetTypeIPv4)}, inner(2, 1, 53, 1000)), there},
		{"two tags", list(ls{eth(layers.EthernetTypeQinQ), tag(layers.EthernetTypeDot1Q), tag(layers.EthernetTypeIPv4)}, inner(1, 2, 1000, 53)), there},
		{"MPLS", list(ls{eth(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 5, TTL: 9}, &layers.MPLS{Label: 6, StackBottom: true, TTL: 9}},
			inner(1, 2, 1000, 53)), there},
		{"PPPoE", list(ls{eth(layers.EthernetTypePPPoESession), gopacket.Payload{0x11, 0, 0, 1, 0, 94, 0, 0x21}}, inner(1, 2, 1000, 53)), there},
		{"IP in IP", list(ls{eth(layers.EthernetTypeIPv4), ip4(8, 9, layers.IPProtocolIPv4)}, inner(1, 2, 1000, 53)), there},
		{"IPv4 in IPv6", list(ls{eth(layers.EthernetTypeIPv6), ip6(8, 9, layers.IPProtocolIPv4)}, inner(1, 2, 1000, 53)), there},
		{"IPv6 in IPv4", frame(t, eth(layers.EthernetTypeIPv4), ip4(8, 9, layers.IPProtocolIPv6), ip6(1, 2, layers.IPProtocolTCP), tcpPorts(1000, 80), data), tcp6},
		{"GRE", list(ls{eth(layers.EthernetTypeIPv4), ip4(9, 8, layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4}}, inner(2, 1, 53, 1000)), there},
		{"GRE with a key and a number", list(ls{eth(layers.EthernetTypeIPv4), ip4(9, 8, layers.IPProtocolGRE),
			&layers.GRE{Protocol: layers.EthernetTypeIPv4, KeyPresent: true, Key: 4, SeqPresent: true, Seq: 6}}, inner(1, 2, 1000, 53)), there},
		{"Ethernet in GRE", list(ls{eth(layers.EthernetTypeIPv4), ip4(9, 8, layers.IPProtocolGRE), &layers.GRE{Protocol: 0x6558}, eth(layers.EthernetTypeIPv4)},
			inner(1, 2, 1000, 53)), there},
		{"ICMP error", list(ls{eth(layers.EthernetTypeIPv4), ip4(77, 1, layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 1)}}, inner(1, 2, 1000, 53)), there},
		{"first fragment", frame(t, eth(layers.EthernetTypeIPv4), fragment(1, 2, 0, layers.IPv4MoreFragments), udpPorts(1000, 53), data), alone4},
		{"last fragment", frame(t, eth(layers.EthernetTypeIPv4), fragment(1, 2, 9, 0), data), alone4},
		{"fragment back", frame(t, eth(layers.EthernetTypeIPv4), fragment(2, 1, 9, 0), data), alone4},
		{"don't fragment", list(ls{eth(layers.EthernetTypeIPv4), fragment(1, 2, 0, layers.IPv4DontFragment)}, inner(1, 2, 1000, 53)[1:]), there},
		{"IPv6 options", frame(t, eth(layers.EthernetTypeIPv6), ip6(1, 2, layers.IPProtocolIPv6HopByHop),
			ext(layers.IPProtocolIPv6Destination, 0, 1, 4, 0, 0, 0, 0), ext(layers.IPProtocolUDP, 0, 1, 4, 0, 0, 0, 0), udpBytes(1000, 53)), plain6},
		{"IPv6 atomic fragment", frame(t, eth(layers.EthernetTypeIPv6), ip6(2, 1, layers.IPProtocolIPv6Fragment),
			ext(layers.IPProtocolUDP, 0, 0, 0, 1, 2, 3, 4), udpBytes(53, 1000)), plain6},
		{"IPv6 fragment", frame(t, eth(layers.EthernetTypeIPv6), ip6(2, 1, layers.IPProtocolIPv6Fragment),
			ext(layers.IPProtocolUDP, 0, 0, 1, 1, 2, 3, 4), udpBytes(53, 1000)), alone6},
		{"ports cut off", flow(1, 2, 1000, 53)[:14+20+2], alone4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hash(tt.b); got != tt.want {
				t.Errorf("%#x, want %#x", got, tt.want)
			}
		})
	}

	// Over many flows no socket gets much more than its share.
	var count [4]int
	for i := range 4000 {
		count[hash(flow(byte(i>>8), 200, uint16(1024+i), 443))%4]++
	}
	for i, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("socket %d of 4 gets %d flows of 4000", i, n)
		}
	}
}

// An object of the user's is loaded by its section; what is wrong with it is said.
func TestUserPrograms(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.o")
	if err := os.WriteFile(junk, []byte("no ELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good.o")
	if err := os.WriteFile(good, _FanoutBytes, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, section, say string }{
		{filepath.Join(dir, "none.o"), fanoutSection, "no such file"},
		{junk, fanoutSection, "cannot read the eBPF object " + junk},
		{good, filterSection, `no program in a section "filter"`},
	} {
		if _, err := loadObject(c.file, c.section); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", c.file, err, c.say)
		}
	}
	p, err := loadObject(good, "socket")
	if errors.Is(err, os.ErrPermission) {
		live.Skip(t, "cannot load an eBPF program: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p.fd() <= 0 {
		t.Error("the program has no descriptor")
	}
	p.close()
}
