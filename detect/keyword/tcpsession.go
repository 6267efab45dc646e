package keyword

import (
	"strings"

	"sentinel/detect"
	"sentinel/stream"
	"sentinel/stream/tcp"
)

// tcpSession asks for phases of the life of a TCP session.
func tcpSession() detect.Keyword {
	return detect.Keyword{Name: "tcp.session", Doc: "match TCP session lifecycle phase set (setup, established, closing)", Setup: func(b *detect.Builder, v string) error {
		const accepted = "accepted tokens are {setup, established, closing}"
		if !b.HasProto(protoTCP) {
			return problem("tcp.session requires a TCP rule")
		}
		var m sessionMatch
		for _, w := range strings.Split(v, ",") {
			var p sessionMatch
			switch w {
			case "setup":
				p.setup = true
			case "established":
				p.established = true
			case "closing":
				p.closing = true
			default:
				return problem("tcp.session: unknown token \"" + w + "\" in argument \"" + v + "\"; " + accepted)
			}
			if m.setup && p.setup || m.established && p.established || m.closing && p.closing {
				return problem("tcp.session: duplicate token \"" + w + "\" in argument \"" + v + "\"")
			}
			m = sessionMatch{m.setup || p.setup, m.established || p.established, m.closing || p.closing}
		}
		b.Match("tcp.session", m, detect.NeedFlow|detect.NeedPacket)
		return nil
	}}
}

type sessionMatch struct{ setup, established, closing bool }

func (m sessionMatch) Match(c *detect.Ctx) bool {
	if c.Flow == nil || c.Flow.Proto != protoTCP {
		return false
	}
	if c.Unit.Has(stream.Established) {
		if m.established {
			return true
		}
	} else if m.setup {
		return true
	}
	if !m.closing {
		return false
	}
	s := c.Unit.Session()
	return s != nil && s.State >= tcp.FinWait1 && s.State <= tcp.Closing
}
