package decode

import (
	"net"
	"testing"

	"sentinel/capture"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// build serialises layers with lengths and checksums filled in.
func build(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	var ip gopacket.NetworkLayer
	for _, l := range ls {
		switch l := l.(type) {
		case *layers.IPv4:
			ip = l
		case *layers.IPv6:
			ip = l
		case *layers.TCP:
			l.SetNetworkLayerForChecksum(ip)
		case *layers.UDP:
			l.SetNetworkLayerForChecksum(ip)
		case *layers.ICMPv6:
			l.SetNetworkLayerForChecksum(ip)
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	ip4A = net.IP{192, 0, 2, 1}
	ip4B = net.IP{198, 51, 100, 2}
	ip6A = net.ParseIP("2001:db8::1")
	ip6B = net.ParseIP("2001:db8::2")
)

func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func v4(p layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: p, SrcIP: ip4A, DstIP: ip4B}
}

func v6(p layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: ip6A, DstIP: ip6B}
}

func timestamps() []layers.TCPOption {
	return []layers.TCPOption{
		{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, 1, 0, 0, 0, 2}},
	}
}

func tcpSegment() *layers.TCP {
	return &layers.TCP{SrcPort: 40000, DstPort: 443, Seq: 1000, Ack: 2000, ACK: true, PSH: true, Window: 512, Options: timestamps()}
}

func benchFrame(b *testing.B, link capture.LinkType, data []byte) {
	s := NewStack(DefaultConfig())
	f := &capture.Frame{Data: data, WireLen: uint32(len(data)), Link: link}
	b.ReportAllocs()
	for b.Loop() {
		s.Decode(f)
	}
}

func BenchmarkDecode(b *testing.B) {
	data := gopacket.Payload(make([]byte, 600))
	b.Run("tcp4", func(b *testing.B) {
		benchFrame(b, capture.LinkEthernet, build(b, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), data))
	})
	b.Run("tcp6", func(b *testing.B) {
		benchFrame(b, capture.LinkEthernet, build(b, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolTCP), tcpSegment(), data))
	})
	b.Run("udp4", func(b *testing.B) {
		benchFrame(b, capture.LinkEthernet, build(b, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 53}, data))
	})
	b.Run("vxlan", func(b *testing.B) {
		benchFrame(b, capture.LinkEthernet, build(b, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 4789},
			&layers.VXLAN{ValidIDFlag: true, VNI: 7}, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), data))
	})
}

func BenchmarkChecksum(b *testing.B) {
	s := NewStack(DefaultConfig())
	data := build(b, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), gopacket.Payload(make([]byte, 1400)))
	s.Decode(&capture.Frame{Data: data, Link: capture.LinkEthernet})
	p := &s.Packets[0]
	b.SetBytes(int64(len(p.L4)))
	for b.Loop() {
		p.sums = 0
		if !p.ChecksumL3OK() || !p.ChecksumL4OK() {
			b.Fatal("wrong checksum")
		}
	}
}
