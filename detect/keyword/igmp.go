package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

const protoIGMP = 2

// igmpHdr selects the header of an IGMP message, with the sources and group records of version 3.
func igmpHdr() detect.Keyword {
	return headerOf("igmp.hdr", "sticky buffer to match on the IGMP header", protoIGMP, func(c *detect.Ctx) []byte {
		p := c.Packet
		if !p.Is(decode.HasIGMP) || p.Has(decode.Invalid) {
			return nil
		}
		return head(p.L4, len(p.L4)-len(p.Payload))
	})
}

// igmpType compares the type of an IGMP message.
func igmpType() detect.Keyword {
	return detect.Keyword{Name: "igmp.type", Doc: "match on a specific IGMP type", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		if !b.HasProto(protoIGMP) {
			return problem("the rule's protocol has no igmp.type")
		}
		u, err := detect.ParseUint(v, 8, nil)
		if err != nil {
			return err
		}
		b.Match("igmp.type", igmpTypeMatch{u}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

type igmpTypeMatch struct{ u detect.Uint }

func (m igmpTypeMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasIGMP) && len(c.Packet.L4) > 0 && m.u.Match(uint64(c.Packet.L4[0]))
}
