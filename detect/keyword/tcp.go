package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

const protoTCP = 6

// tcpInts are the keywords that compare a number of the TCP header.
func tcpInts() []detect.Keyword {
	const need = detect.NeedTCP | detect.NeedPacket
	return []detect.Keyword{
		integer("tcp.seq", "seq", "check for a specific TCP sequence number", 32, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return seqMatch{u} }),
		integer("tcp.ack", "ack", "check for a specific TCP acknowledgement number", 32, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return ackMatch{u} }),
		integer("tcp.window", "window", "check for a specific TCP window size", 16, 0, need, func(u detect.Uint) detect.Match { return windowMatch{u} }),
		integer("tcp.mss", "", "match on TCP MSS option field", 16, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return mssMatch{u} }),
		integer("tcp.wscale", "", "match on TCP WSCALE option field", 8, detect.Prefilterable, need, func(u detect.Uint) detect.Match { return wscaleMatch{u} }),
	}
}

type (
	seqMatch    struct{ u detect.Uint }
	ackMatch    struct{ u detect.Uint }
	windowMatch struct{ u detect.Uint }
	mssMatch    struct{ u detect.Uint }
	wscaleMatch struct{ u detect.Uint }
)

func (m seqMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && m.u.Match(uint64(c.Packet.TCP.Seq))
}

func (m ackMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && m.u.Match(uint64(c.Packet.TCP.Ack))
}

func (m windowMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && m.u.Match(uint64(c.Packet.TCP.Window))
}

func (m mssMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && c.Packet.TCP.Opts&decode.OptMSS != 0 && m.u.Match(uint64(c.Packet.TCP.MSS))
}

func (m wscaleMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && c.Packet.TCP.Opts&decode.OptWScale != 0 && m.u.Match(uint64(c.Packet.TCP.WScale))
}

// tcpHdr selects the TCP header with its options.
func tcpHdr() detect.Keyword {
	return headerOf("tcp.hdr", "sticky buffer to match on the TCP header", protoTCP, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasTCP) {
			return nil
		}
		return head(c.Packet.L4, int(c.Packet.TCP.HeaderLen))
	})
}
