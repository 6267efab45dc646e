package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

// fragOffset compares the fragment offset: the field of IPv4, which counts units of eight bytes, or the bytes that the
// fragment header of IPv6 gives.
func fragOffset() detect.Keyword {
	return integer("fragoffset", "", "match on specific decimal values of the IP fragment offset field", 16, detect.Prefilterable, detect.NeedIP|detect.NeedPacket,
		func(u detect.Uint) detect.Match { return fragOffsetMatch{u} })
}

type fragOffsetMatch struct{ u detect.Uint }

func (m fragOffsetMatch) Match(c *detect.Ctx) bool {
	p := c.Packet
	switch {
	case p.Is(decode.HasIPv4):
		return m.u.Match(uint64(p.FragOffset / 8))
	case p.Is(decode.HasIPv6):
		return p.ExtHeaders&decode.ExtFragment != 0 && m.u.Match(uint64(p.FragOffset))
	}
	return false
}
