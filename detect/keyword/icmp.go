package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// icmpInts are the keywords that compare a number of the header of ICMP or ICMPv6.
func icmpInts() []detect.Keyword {
	const need = detect.NeedICMP | detect.NeedPacket
	return []detect.Keyword{
		integer("itype", "", "match on a specific ICMP type", 8, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return itypeMatch{u} }),
		integer("icode", "", "match on specific ICMP id-value", 8, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return icodeMatch{u} }),
		integer("icmp_id", "", "check for a ICMP ID", 16, detect.Prefilterable|detect.MaybeQuoted, need, func(u detect.Uint) detect.Match { return icmpIDMatch{u} }),
		integer("icmp_seq", "", "check for a ICMP sequence number", 16, detect.Prefilterable|detect.MaybeQuoted, need, func(u detect.Uint) detect.Match { return icmpSeqMatch{u} }),
	}
}

type (
	itypeMatch   struct{ u detect.Uint }
	icodeMatch   struct{ u detect.Uint }
	icmpIDMatch  struct{ u detect.Uint }
	icmpSeqMatch struct{ u detect.Uint }
)

func icmp(c *detect.Ctx) bool { return c.Packet.Layers&(decode.HasICMPv4|decode.HasICMPv6) != 0 }

// echo reports whether the message has an id and a sequence number: echo, timestamp, information and address mask of
// ICMP, echo of ICMPv6.
func echo(c *detect.Ctx) bool {
	t := c.Packet.ICMPType
	switch {
	case c.Packet.Is(decode.HasICMPv4):
		return t == 0 || t == 8 || t >= 13 && t <= 18
	case c.Packet.Is(decode.HasICMPv6):
		return t == 128 || t == 129
	}
	return false
}

func (m itypeMatch) Match(c *detect.Ctx) bool {
	return icmp(c) && m.u.Match(uint64(c.Packet.ICMPType))
}

func (m icodeMatch) Match(c *detect.Ctx) bool {
	return icmp(c) && m.u.Match(uint64(c.Packet.ICMPCode))
}

func (m icmpIDMatch) Match(c *detect.Ctx) bool {
	return echo(c) && m.u.Match(uint64(c.Packet.ICMPID))
}

func (m icmpSeqMatch) Match(c *detect.Ctx) bool {
	return echo(c) && m.u.Match(uint64(c.Packet.ICMPSeq))
}

// icmpv4Hdr selects the header of an ICMP message; timestamps and the addresses of a router advertisement belong to it.
func icmpv4Hdr() detect.Keyword {
	return headerOf("icmpv4.hdr", "sticky buffer to match on the ICMP v4 header", protoICMP, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasICMPv4) {
			return nil
		}
		b := c.Packet.L4
		n := 8
		if len(b) < n {
			return nil
		}
		more := 0
		switch c.Packet.ICMPType {
		case 9:
			more = int(b[4]) * int(b[5]) * 4
		case 13, 14:
			more = 12
		}
		if n+more <= len(b) {
			n += more
		}
		return b[:n:n]
	})
}

// icmpv6Hdr selects the first eight bytes of an ICMPv6 message.
func icmpv6Hdr() detect.Keyword {
	return headerOf("icmpv6.hdr", "sticky buffer to match on the ICMP V6 header", protoICMPv6, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasICMPv6) {
			return nil
		}
		return head(c.Packet.L4, 8)
	})
}

// icmpv6MTU compares the MTU of a packet-too-big message.
func icmpv6MTU() detect.Keyword {
	return integer("icmpv6.mtu", "", "match on ICMPv6 MTU field", 32, detect.Prefilterable, detect.NeedICMP|detect.NeedPacket,
		func(u detect.Uint) detect.Match { return mtuMatch{u} })
}

type mtuMatch struct{ u detect.Uint }

func (m mtuMatch) Match(c *detect.Ctx) bool {
	p := c.Packet
	return p.Is(decode.HasICMPv6) && p.ICMPType == 2 && p.ICMPCode == 0 && len(p.L4) >= 8 && m.u.Match(uint64(be32(p.L4[4:8])))
}
