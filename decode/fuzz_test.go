package decode

import (
	"testing"

	"sentinel/capture"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// seeds are whole frames by link type, besides the hand-made ones.
func seeds(t testing.TB) map[capture.LinkType][][]byte {
	payload := gopacket.Payload("0123456789abcdef")
	inner := func(ls ...gopacket.SerializableLayer) []gopacket.SerializableLayer { return ls }
	udp := func(port layers.UDPPort, ls ...gopacket.SerializableLayer) []gopacket.SerializableLayer {
		return append(inner(eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 4096, DstPort: port}), ls...)
	}
	u4 := unhex(t, hexUDP4)
	u6 := unhex(t, hexUDP6)
	return map[capture.LinkType][][]byte{
		capture.LinkEthernet: {
			build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), payload),
			build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolTCP), tcpSegment(), payload),
			build(t, udp(4789, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), payload)...),
			build(t, udp(6081, gopacket.Payload(append([]byte{0, 0, 0x65, 0x58, 0, 0, 7, 0}, build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), payload)...)))...),
			build(t, udp(3544, gopacket.Payload(u6))...),
			build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4}, v4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2}, payload),
			build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(u4)),
			build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolICMPv6), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(1, 4)}, gopacket.Payload(append(make([]byte, 4), u6...))),
			unhex(t, "020000000002 020000000001 88a8 0001 8100 0002 0800"+hexUDP4),
			unhex(t, "020000000002 020000000001 8847 0001 0040 0001 1140"+hexUDP4),
			unhex(t, "020000000002 020000000001 8864 1100 0001 001e 0021"+hexUDP4),
			unhex(t, "020000000002 020000000001 894f 0002 02 01 00000101"+hexUDP4),
			unhex(t, "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c6336402"),
			unhex(t, hexEth6+ip6("00", "0018")+"2b00 0104 00000000 1100 0000 00000000 00010002 00080000"),
			unhex(t, hexEth6+ip6("2c", "0010")+"1100 0001 00000007 00010002 00080000"),
			unhex(t, hexEth6+ip6("84", "0014")+"00010002 00000000 00000000 01000004 0b000004"),
			unhex(t, hexEth4+"45000024 00070000 01020000 "+hexAddr4+"22000000 00000001 04000000 e0000001"),
			unhex(t, hexEth4+"4900002400070000 40fd0000 "+hexAddr4+"860a 00000001 01040001 000000000000"),
			unhex(t, hexEth4+"4500003a 00070000 402f0000 "+hexAddr4+"2001 880b 001e0001 0021"+hexUDP4),
			unhex(t, hexEth4+"4500004e 00070000 402f0000 "+hexAddr4+"1000 88be 00000001 1007 0000 00000000"+hexEth4+hexUDP4),
		},
		capture.LinkRaw:   {u4, u6},
		capture.LinkSLL:   {unhex(t, "0000 0001 0006 0200000000010000 0800"+hexUDP4)},
		capture.LinkSLL2:  {unhex(t, "86dd 0000 00000001 0001 00 06 0200000000010000"+hexUDP6)},
		capture.LinkNull:  {append([]byte{2, 0, 0, 0}, u4...)},
		capture.LinkLoop:  {append([]byte{0, 0, 0, 2}, u4...)},
		capture.LinkPPP:   {append([]byte{0xff, 3, 0, 0x21}, u4...), append([]byte{0x2f}, u4...)},
		capture.LinkCHDLC: {append([]byte{0xf, 0, 8, 0}, u4...)},
		capture.LinkNFLOG: {append(unhex(t, "02000000 0800 0100 08000000 2000 0900"), u4...)},
	}
}

// inside reports whether b, with its capacity, lies in whole.
func inside(b, whole []byte) bool {
	if len(b) == 0 {
		return true
	}
	for i := range whole {
		if &whole[i] == &b[0] {
			return cap(b) <= len(whole)-i
		}
	}
	return false
}

func FuzzDecode(f *testing.F) {
	for link, l := range seeds(f) {
		for _, b := range l {
			f.Add(uint32(link), b)
		}
	}
	s := NewStack(DefaultConfig())
	f.Fuzz(func(t *testing.T, link uint32, b []byte) {
		n := s.Decode(&capture.Frame{Data: b, Link: capture.LinkType(link), WireLen: uint32(len(b))})
		if n < 1 || n > MaxPackets {
			t.Fatalf("%d packets", n)
		}
		for i := range n {
			p := &s.Packets[i]
			check(t, s, i, p, b)
		}
	})
}

// check holds a decoded packet to what its documentation says.
func check(t *testing.T, s *Stack, i int, p *Packet, frame []byte) {
	t.Helper()
	for name, b := range map[string][]byte{"Data": p.Data, "L2": p.L2, "L3": p.L3, "L4": p.L4, "Payload": p.Payload} {
		if !inside(b, frame) {
			t.Errorf("packet %d: %s is not in the frame, or its capacity reaches out of it", i, name)
		}
	}
	if i == 0 && (p.Parent != -1 || p.Depth != 0) || i > 0 && (int(p.Parent) >= i || p.Parent < 0 || p.Depth != s.Packets[p.Parent].Depth+1) {
		t.Errorf("packet %d: parent %d, depth %d", i, p.Parent, p.Depth)
	}
	if p.IsIP() {
		if p.IPVersion != 4 && p.IPVersion != 6 || p.Is(HasIPv4|HasIPv6) || p.Is(HasIPv4) != (p.IPVersion == 4) {
			t.Errorf("packet %d: layers %b, version %d", i, p.Layers, p.IPVersion)
		}
		if int(p.IPHeaderLen) > len(p.L3) {
			t.Errorf("packet %d: header of %d in %d bytes", i, p.IPHeaderLen, len(p.L3))
		}
		if p.Has(Fragment) && (p.Payload != nil || p.FragOffset == 0 && !p.MoreFrags) {
			t.Errorf("packet %d: fragment at %d, more %v, payload %d", i, p.FragOffset, p.MoreFrags, len(p.Payload))
		}
	} else if p.Layers&(HasTCP|HasUDP|HasICMPv4|HasICMPv6|HasSCTP|HasESP|HasGRE) != 0 {
		t.Errorf("packet %d: transport without network: %b", i, p.Layers)
	}
	if p.Is(HasTCP) && (int(p.TCP.HeaderLen)+len(p.Payload) != len(p.L4) ||
		p.TCP.Opts&OptSACK != 0 && int(p.TCP.SACKOff)+8*int(p.TCP.SACKCount) > int(p.TCP.HeaderLen)) {
		t.Errorf("packet %d: TCP %+v, %d bytes", i, p.TCP, len(p.L4))
	}
	if p.Is(HasUDP) && len(p.Payload)+8 > len(p.L4) {
		t.Errorf("packet %d: UDP payload of %d in %d", i, len(p.Payload), len(p.L4))
	}
	p.ChecksumL3OK()
	p.ChecksumL4OK()
}

// FuzzDatagram feeds reassembled datagrams to a stack that already holds a frame.
func FuzzDatagram(f *testing.F) {
	f.Add(unhex(f, hexUDP4), false)
	f.Add(unhex(f, hexUDP6), true)
	f.Add(unhex(f, "45000034 00070000 402f0000 "+hexAddr4+"0000 0800"+hexUDP4), false)
	frame := unhex(f, hexUDP4)
	s := NewStack(DefaultConfig())
	f.Fuzz(func(t *testing.T, b []byte, ip6 bool) {
		n := s.Decode(&capture.Frame{Data: frame, Link: capture.LinkRaw})
		for range MaxPackets {
			m := s.DecodeDatagram(n-1, b, ip6)
			if m < n || m > MaxPackets {
				t.Fatalf("%d packets after %d", m, n)
			}
			n = m
		}
	})
}

// TestOpposite decodes what gopacket built and compares: two implementations of the same RFCs.
func TestOpposite(t *testing.T) {
	for link, l := range seeds(t) {
		for _, b := range l {
			s, _ := decodeOne(link, b)
			p := &s.Packets[0]
			if link != capture.LinkEthernet {
				continue
			}
			g := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.NoCopy)
			if ip, ok := g.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && p.Is(HasIPv4) {
				if p.Src.Netip(4).String() != ip.SrcIP.String() || p.TTL != ip.TTL || p.IPID != uint32(ip.Id) {
					t.Errorf("IPv4 %v %d %d, gopacket %v %d %d", p.Src.Netip(4), p.TTL, p.IPID, ip.SrcIP, ip.TTL, ip.Id)
				}
			}
			if tcp, ok := g.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && p.Is(HasTCP) {
				if p.SrcPort != uint16(tcp.SrcPort) || p.TCP.Seq != tcp.Seq || string(p.Payload) != string(tcp.Payload) {
					t.Errorf("TCP %d %d, gopacket %d %d", p.SrcPort, p.TCP.Seq, tcp.SrcPort, tcp.Seq)
				}
			}
		}
	}
}
