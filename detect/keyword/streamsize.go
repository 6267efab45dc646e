package keyword

import (
	"strings"

	"sentinel/detect"
	dir "sentinel/stream/flow"
)

// streamSize compares how many bytes of sequence numbers the sides of a TCP session have used.
func streamSize() detect.Keyword {
	return detect.Keyword{Name: "stream_size", Doc: "match on amount of bytes of a stream", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		parts := strings.Split(v, ",")
		if len(parts) != 2 && len(parts) != 3 {
			return problem("cannot parse \"" + v + "\"")
		}
		m := sizeMatch{}
		switch strings.TrimSpace(parts[0]) {
		case "server":
			m.side = 's'
		case "client":
			m.side = 'c'
		case "both":
			m.side = 'b'
		case "either":
			m.side = 'e'
		default:
			return problem("stream_size needs server, client, both or either")
		}
		text := strings.TrimSpace(parts[1])
		if len(parts) == 3 {
			text += strings.TrimSpace(parts[2])
		}
		text = strings.TrimPrefix(text, "=")
		if t, ok := strings.CutPrefix(text, "!="); ok {
			text = "!" + t
		}
		var err error
		if m.u, err = detect.ParseUint(text, 32, nil); err != nil {
			return err
		}
		b.Match("stream_size", m, 0)
		return nil
	}}
}

type sizeMatch struct {
	side byte
	u    detect.Uint
}

func (m sizeMatch) Match(c *detect.Ctx) bool {
	if c.Flow == nil || c.Packet.Proto != 6 {
		return false
	}
	s := c.Unit.Session()
	if s == nil {
		return false
	}
	server, client := m.u.Match(uint64(s.Stream[dir.ToClient].Size())), m.u.Match(uint64(s.Stream[dir.ToServer].Size()))
	switch m.side {
	case 's':
		return server
	case 'c':
		return client
	case 'b':
		return server && client
	}
	return server || client
}
