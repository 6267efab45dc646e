package keyword

import (
	"strings"

	"sentinel/detect"
	dir "sentinel/stream/flow"
)

// flowCounts are the keywords that compare what the flow counts; they are tried on each packet.
func flowCounts() []detect.Keyword {
	return []detect.Keyword{
		integer("flow.age", "", "match flow age", 32, detect.Prefilterable, detect.NeedFlow|detect.NeedPacket, func(u detect.Uint) detect.Match { return ageMatch{u} }),
		flowCount("flow.pkts", "match number of packets in a flow", 32, detect.Prefilterable, func(m countMatch) detect.Match { return pktsMatch{m} }),
		flowCountIn("flow.pkts_toclient", "flow.pkts", "match number of packets in a flow in to client direction", 32, toClient, detect.Prefilterable, func(m countMatch) detect.Match { return pktsMatch{m} }),
		flowCountIn("flow.pkts_toserver", "flow.pkts", "match number of packets in a flow in to server direction", 32, toServer, detect.Prefilterable, func(m countMatch) detect.Match { return pktsMatch{m} }),
		flowCount("flow.bytes", "match number of bytes in a flow", 64, 0, func(m countMatch) detect.Match { return bytesMatch{m} }),
		flowCountIn("flow.bytes_toclient", "flow.bytes", "match number of bytes in a flow in to client dir", 64, toClient, 0, func(m countMatch) detect.Match { return bytesMatch{m} }),
		flowCountIn("flow.bytes_toserver", "flow.bytes", "match number of bytes in a flow in to server dir", 64, toServer, 0, func(m countMatch) detect.Match { return bytesMatch{m} }),
		{Name: "flow.elephant", Doc: "match elephant flow", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
			s, rest, ok := cutSide(v)
			if !ok || rest != "" {
				return problem("flow.elephant takes toserver, toclient, either or both")
			}
			b.Match("flow.elephant", elephantMatch{s}, detect.NeedFlow|detect.NeedPacket)
			return nil
		}},
	}
}

// side says which direction of a flow is counted.
type side uint8

const (
	toServer side = iota
	toClient
	either
	both
)

// cutSide takes a direction off the start of a value.
func cutSide(v string) (s side, rest string, ok bool) {
	v = strings.TrimLeft(v, " \t")
	for i, w := range [...]string{"toserver", "toclient", "either", "both"} {
		if rest, ok := strings.CutPrefix(v, w); ok {
			return side(i), rest, true
		}
	}
	return 0, v, false
}

func flowCount(name, doc string, bits int, flags detect.KeywordFlags, match func(countMatch) detect.Match) detect.Keyword {
	return detect.Keyword{Name: name, Doc: doc, Flags: flags, Setup: func(b *detect.Builder, v string) error {
		s, rest, ok := cutSide(v)
		rest, comma := strings.CutPrefix(strings.TrimLeft(rest, " \t"), ",")
		if !ok || !comma {
			return problem(name + " needs a direction and a number: toserver, toclient, either or both, then a comma")
		}
		u, err := detect.ParseUint(rest, bits, nil)
		if err != nil {
			return err
		}
		b.Match(name, match(countMatch{s, u}), detect.NeedFlow|detect.NeedPacket)
		return nil
	}}
}

func flowCountIn(name, key, doc string, bits int, s side, flags detect.KeywordFlags, match func(countMatch) detect.Match) detect.Keyword {
	return detect.Keyword{Name: name, Doc: doc, Flags: flags, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(v, bits, nil)
		if err != nil {
			return err
		}
		b.Match(key, match(countMatch{s, u}), detect.NeedFlow|detect.NeedPacket)
		return nil
	}}
}

type countMatch struct {
	side side
	u    detect.Uint
}

func (m countMatch) holds(n *[2]uint64) bool {
	switch m.side {
	case toServer:
		return m.u.Match(n[dir.ToServer])
	case toClient:
		return m.u.Match(n[dir.ToClient])
	case either:
		return m.u.Match(n[dir.ToServer]) || m.u.Match(n[dir.ToClient])
	}
	return m.u.Match(n[dir.ToServer]) && m.u.Match(n[dir.ToClient])
}

type (
	ageMatch      struct{ u detect.Uint }
	pktsMatch     struct{ countMatch }
	bytesMatch    struct{ countMatch }
	elephantMatch struct{ side side }
)

// Match counts whole seconds, as the difference of seconds.
func (m ageMatch) Match(c *detect.Ctx) bool {
	if c.Flow == nil {
		return false
	}
	const second = 1e9
	age := c.Flow.Last/second - c.Flow.Start/second
	return m.u.Match(uint64(max(0, min(age, 1<<32-1))))
}

func (m pktsMatch) Match(c *detect.Ctx) bool  { return c.Flow != nil && m.holds(&c.Flow.Pkts) }
func (m bytesMatch) Match(c *detect.Ctx) bool { return c.Flow != nil && m.holds(&c.Flow.Bytes) }

func (m elephantMatch) Match(c *detect.Ctx) bool {
	if c.Flow == nil {
		return false
	}
	switch m.side {
	case toServer:
		return c.Flow.Has(dir.ElephantTS)
	case toClient:
		return c.Flow.Has(dir.ElephantTC)
	case either:
		return c.Flow.Has(dir.Elephant)
	}
	return c.Flow.Has(dir.ElephantTS) && c.Flow.Has(dir.ElephantTC)
}
