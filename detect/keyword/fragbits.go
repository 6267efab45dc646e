package keyword

import (
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// fragBits compares the flags of the fragmentation field of IPv4. Without a modifier the whole field, the offset included,
// must be what is named.
func fragBits() detect.Keyword {
	return detect.Keyword{Name: "fragbits", Doc: "check if the fragmentation and reserved bits are set in the IP header", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := parseFragBits(v)
		if err != nil {
			return err
		}
		b.Match("fragbits", fragBitsMatch{u}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

func parseFragBits(s string) (detect.Uint, error) {
	if u, err := detect.ParseUint(s, 16, nil); err == nil {
		return u, nil
	}
	how := byte('=')
	if s != "" && strings.IndexByte("!-+*=", s[0]) >= 0 {
		how, s = s[0], s[1:]
	}
	s = strings.TrimLeft(s, " \t")
	var mask, want uint64
	for s != "" {
		s = strings.TrimLeft(s, " ")
		rest, not := strings.CutPrefix(s, "!")
		if rest == "" {
			return detect.Uint{}, problem("Bitflag unexpected value " + s)
		}
		bit := uint64(0)
		switch rest[0] | 0x20 {
		case 'r':
			bit = 0x8000
		case 'd':
			bit = 0x4000
		case 'm':
			bit = 0x2000
		default:
			return detect.Uint{}, problem("Bitflag unexpected value " + rest[:1])
		}
		if mask&bit != 0 {
			return detect.Uint{}, problem("Repeated bitflag for " + rest[:1])
		}
		mask |= bit
		if !not {
			want |= bit
		}
		s = rest[1:]
	}
	switch how {
	case '+':
		return detect.Uint{Mode: detect.UintMask, Lo: mask, Hi: want}, nil
	case '*':
		return detect.Uint{Mode: detect.UintNotMask, Lo: mask}, nil
	case '!', '-':
		return detect.Uint{Mode: detect.UintNotMask, Lo: mask, Hi: want}, nil
	}
	return detect.Uint{Lo: mask}, nil
}

type fragBitsMatch struct{ u detect.Uint }

func (m fragBitsMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasIPv4) && m.u.Match(uint64(be16(c.Packet.L3[6:8])))
}
