package keyword

import (
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// tcpFlags compares the flags of a TCP header: a number, or letters with a modifier, and after a comma letters that do not
// count.
func tcpFlags() detect.Keyword {
	return detect.Keyword{Name: "tcp.flags", Alias: "flags", Doc: "detect which flags are set in the TCP header", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := parseTCPFlags(v)
		if err != nil {
			return err
		}
		b.Match("tcp.flags", tcpFlagsMatch{u}, detect.NeedTCP|detect.NeedPacket)
		return nil
	}}
}

func parseTCPFlags(s string) (detect.Uint, error) {
	if u, err := detect.ParseUint(s, 8, nil); err == nil {
		return u, nil
	}
	how, given, ignoring := byte('='), false, false
	want, mask := uint64(0), uint64(0xff)
	for i := 0; i < len(s); i++ {
		x := s[i]
		if x == ',' {
			if ignoring {
				return detect.Uint{}, problem("Too many commas")
			}
			if how != '=' {
				return detect.Uint{}, problem("Ignored flags are only meaningful with equal mode")
			}
			ignoring = true
			continue
		}
		if n := strings.IndexByte("fsrpauec", x|0x20); n >= 0 || x == '1' || x == '2' {
			switch x {
			case '1':
				n = 7
			case '2':
				n = 6
			}
			bit := uint64(1) << n
			switch {
			case want&bit != 0:
				return detect.Uint{}, problem("Repeated bitflag for " + s[i:i+1])
			case ignoring:
				mask &^= bit
			default:
				want |= bit
			}
			continue
		}
		if strings.IndexByte("!-+*=", x) < 0 {
			return detect.Uint{}, problem("Bad character " + s[i:i+1] + " for tcp.flags")
		}
		if given || ignoring {
			return detect.Uint{}, problem("Cannot have multiple modifiers")
		}
		how, given = x, true
	}
	switch how {
	case '+':
		return detect.Uint{Mode: detect.UintMask, Lo: want, Hi: want}, nil
	case '*':
		return detect.Uint{Mode: detect.UintNotMask, Lo: want}, nil
	case '!', '-':
		return detect.Uint{Mode: detect.UintNotMask, Lo: want, Hi: want}, nil
	}
	return detect.Uint{Mode: detect.UintMask, Lo: mask, Hi: want}, nil
}

type tcpFlagsMatch struct{ u detect.Uint }

func (m tcpFlagsMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasTCP) && m.u.Match(uint64(c.Packet.TCP.Flags))
}

// TCPFlagsNeeded returns flags of which a packet that matches has some. As in the reference, a rule that asks for any of
// several flags is held to be one that needs them all, SYN, RST and FIN first: it is not tried on a packet with none of these.
func (m tcpFlagsMatch) TCPFlagsNeeded() uint8 {
	switch {
	case m.u.Mode == detect.UintMask:
		return uint8(m.u.Hi)
	case m.u.Mode == detect.UintNotMask && m.u.Hi == 0, m.u.Mode == detect.UintEqual:
		return uint8(m.u.Lo)
	}
	return 0
}
