package decode

import (
	"fmt"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sentinel/capture"
)

// After a change the checksum is the one that a sender would have computed: gopacket says which.
func TestRewrite(t *testing.T) {
	build := func(proto layers.IPProtocol, v6 bool, payload []byte, sums bool) []byte {
		eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
		var ip gopacket.NetworkLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
		if v6 {
			eth.EthernetType = layers.EthernetTypeIPv6
			ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: append(make([]byte, 15), 1), DstIP: append(make([]byte, 15), 2)}
		}
		var l4 gopacket.SerializableLayer
		if proto == layers.IPProtocolTCP {
			x := &layers.TCP{SrcPort: 1, DstPort: 2, ACK: true, Options: []layers.TCPOption{{OptionType: 1}, {OptionType: 1}}}
			_ = x.SetNetworkLayerForChecksum(ip)
			l4 = x
		} else {
			x := &layers.UDP{SrcPort: 1, DstPort: 2}
			_ = x.SetNetworkLayerForChecksum(ip)
			l4 = x
		}
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: sums}, eth,
			ip.(gopacket.SerializableLayer), l4, gopacket.Payload(payload)); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for _, proto := range []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP} {
		for _, v6 := range []bool{false, true} {
			for _, sums := range []bool{true, false} {
				for at := range 9 {
					for n := 0; n+at <= 9; n++ {
						t.Run(fmt.Sprintf("%v %v %v %d+%d", proto, v6, sums, at, n), func(t *testing.T) {
							want := []byte("\x00\xff\x80\x7fodd\xfe!")
							with := []byte("\xff\xff\x00\x00\x12\x34abc")[:n]
							frame := build(proto, v6, want, sums)
							copy(want[at:], with)
							f := capture.Frame{Data: frame, WireLen: uint32(len(frame)), Link: capture.LinkEthernet}
							s := NewStack(DefaultConfig())
							s.Decode(&f)
							if !s.Packets[0].Rewrite(at, with) {
								t.Fatal("refused")
							}
							if ok := build(proto, v6, want, sums); string(frame) != string(ok) {
								t.Errorf("\n%x, want\n%x", frame, ok)
							}
						})
					}
				}
			}
		}
	}
	f := capture.Frame{Data: build(layers.IPProtocolUDP, false, []byte("abc"), true), Link: capture.LinkEthernet}
	s := NewStack(DefaultConfig())
	s.Decode(&f)
	for _, c := range []struct {
		at int
		b  string
	}{{-1, "x"}, {4, ""}, {0, "abcd"}, {3, "x"}} {
		if s.Packets[0].Rewrite(c.at, []byte(c.b)) {
			t.Errorf("%d bytes at %d of 3 were written", len(c.b), c.at)
		}
	}
}
