package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

// ipID compares the identification of IPv4.
func ipID() detect.Keyword {
	return integer("id", "", "match on a specific IP ID value", 16, detect.MaybeQuoted|detect.Prefilterable, detect.NeedIP|detect.NeedPacket,
		func(u detect.Uint) detect.Match { return idMatch{u} })
}

type idMatch struct{ u detect.Uint }

func (m idMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasIPv4) && m.u.Match(uint64(be16(c.Packet.L3[4:6])))
}
