package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

// packetBuffer is a keyword that selects bytes of the packet.
func packetBuffer(name, doc string, needs detect.Needs, get func(c *detect.Ctx) []byte) detect.Keyword {
	return detect.Keyword{Name: name, Doc: doc, Flags: detect.NoValue | detect.Sticky, Setup: func(b *detect.Builder, _ string) error {
		return b.PacketBuffer(name, get, needs)
	}}
}

// headerOf is packetBuffer for the header of a transport, which the rule's protocol must allow for.
func headerOf(name, doc string, proto uint8, get func(c *detect.Ctx) []byte) detect.Keyword {
	return detect.Keyword{Name: name, Doc: doc, Flags: detect.NoValue | detect.Sticky, Setup: func(b *detect.Builder, _ string) error {
		if !b.HasProto(proto) {
			return problem("the rule's protocol has no " + name)
		}
		return b.PacketBuffer(name, get, detect.NeedIP|detect.NeedPacket)
	}}
}

// head returns the first n bytes of b, or nil where there are not so many.
func head(b []byte, n int) []byte {
	if uint(n) > uint(len(b)) {
		return nil
	}
	return b[:n:n]
}

// ipv4Hdr selects the header of IPv4 with its options.
func ipv4Hdr() detect.Keyword {
	return packetBuffer("ipv4.hdr", "sticky buffer to match on the IPV4 header", detect.NeedIP|detect.NeedPacket, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasIPv4) {
			return nil
		}
		return head(c.Packet.L3, int(c.Packet.IPHeaderLen))
	})
}

// ipv6Hdr selects the header of IPv6 with its extension headers, but for the one that makes a packet a fragment.
func ipv6Hdr() detect.Keyword {
	return packetBuffer("ipv6.hdr", "sticky buffer to match on the IPV6 header", detect.NeedIP|detect.NeedPacket, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasIPv6) {
			return nil
		}
		n := int(c.Packet.IPHeaderLen)
		if c.Packet.Has(decode.Fragment) && n >= 48 {
			n -= 8
		}
		return head(c.Packet.L3, n)
	})
}
