package keyword

import (
	"strconv"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/detect/iprep"
)

// ipRep compares the reputation of addresses: "src,CnC,>,30" or "any,CnC,isset".
func ipRep() detect.Keyword {
	return detect.Keyword{Name: "iprep", Doc: "match on the IP reputation information for a host", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		bad := problem("\"" + v + "\" is not a valid setting for iprep")
		args := strings.Split(v, ",")
		if len(args) != 3 && len(args) != 4 {
			return bad
		}
		for i := range args {
			args[i] = strings.TrimSpace(args[i])
		}
		m := repMatch{table: b.Config().Reputation, side: repSides[args[0]]}
		m.cat = m.table.Category(args[1])
		if m.side == 0 || m.cat == 0 {
			return bad
		}
		switch {
		case len(args) == 4:
			op := args[2]
			if op == "" || strings.Trim(op, "<>=!") != "" {
				return bad
			}
			if _, err := strconv.ParseUint(args[3], 10, 8); err != nil {
				return bad
			}
			u, err := detect.ParseUint(op+args[3], 8, nil)
			if err != nil {
				return bad
			}
			m.u = u
		case args[2] == "isset":
			m.set = true
		case args[2] == "isnotset":
			m.unset = true
		default:
			return bad
		}
		b.Match("iprep", m, detect.NeedIP)
		return nil
	}}
}

type repSide uint8

const (
	repSrc repSide = iota + 1
	repDst
	repAny
	repBoth
)

var repSides = map[string]repSide{"src": repSrc, "dst": repDst, "any": repAny, "both": repBoth}

type repMatch struct {
	table      *iprep.Table
	u          detect.Uint
	side       repSide
	cat        uint8
	set, unset bool
}

func (m repMatch) Match(c *detect.Ctx) bool {
	if !c.Packet.IsIP() {
		return false
	}
	src := m.side != repDst && m.one(c.Packet, &c.Packet.Src)
	switch m.side {
	case repSrc:
		return src
	case repAny:
		return src || m.one(c.Packet, &c.Packet.Dst)
	case repBoth:
		return src && m.one(c.Packet, &c.Packet.Dst)
	}
	return m.one(c.Packet, &c.Packet.Dst)
}

// one judges one of the packet's addresses.
func (m repMatch) one(p *decode.Packet, a *decode.Addr) bool {
	family := uint8(4)
	if p.Is(decode.HasIPv6) {
		family = 6
	}
	score, ok := m.table.Score(a.Netip(family), m.cat)
	switch {
	case m.unset:
		return !ok
	case m.set:
		return ok
	}
	return ok && m.u.Match(uint64(score))
}
