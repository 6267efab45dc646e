package keyword

import (
	"strconv"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// tos compares the type of service of IPv4. Its numbers are decimal, or hexadecimal after an "x".
func tos() detect.Keyword {
	return detect.Keyword{Name: "tos", Doc: "match on specific decimal values of the IP header TOS field", Flags: detect.MaybeQuoted | detect.Negatable, Setup: func(b *detect.Builder, v string) error {
		s := strings.TrimSpace(v)
		base, most := 10, 3
		if s != "" && s[0]|0x20 == 'x' {
			s, base, most = s[1:], 16, 2
		}
		n, err := strconv.ParseUint(s, base, 8)
		if err != nil || len(s) > most || s[0] == '+' {
			return problem("invalid tos option - " + v + ". The tos option value must be in the range 0 - 255")
		}
		b.Match("tos", tosMatch{uint8(n), b.Negated}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

type tosMatch struct {
	tos    uint8
	negate bool
}

func (m tosMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasIPv4) && (c.Packet.TOS == m.tos) != m.negate
}
