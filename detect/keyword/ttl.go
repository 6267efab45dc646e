package keyword

import "sentinel/detect"

// TTL compares the time to live, or hop limit. It is the pattern for keywords of headers: a comparable type with the
// condition, its Match, and what it needs of a packet.
func TTL() detect.Keyword {
	return detect.Keyword{Name: "ttl", Doc: "check for a specific IP time-to-live value", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(v, 8, nil)
		if err != nil {
			return err
		}
		b.Match("ttl", ttlMatch{u}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

type ttlMatch struct{ u detect.Uint }

func (m ttlMatch) Match(c *detect.Ctx) bool {
	return c.Packet.IsIP() && m.u.Match(uint64(c.Packet.TTL))
}
