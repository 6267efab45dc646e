package keyword

import (
	"slices"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/detect/geoip"
)

// maxCountries bounds the countries of one condition.
const maxCountries = 64

// geoIP asks in which country an address is: "FR,DE", "src,!US", "both,FR".
func geoIP() detect.Keyword {
	return detect.Keyword{Name: "geoip", Doc: "keyword to match on country of src and or dst IP", Setup: func(b *detect.Builder, v string) error {
		t := b.Config().Countries
		if t == nil {
			return problem("there is no database of countries: set geoip-database")
		}
		m := &geoMatch{table: t, src: true, dst: true}
		list := strings.Split(v, ",")
		if len(list) > 1 {
			side := true
			switch list[0] {
			case "src":
				m.dst = false
			case "dst":
				m.src = false
			case "both":
				m.both = true
			case "any":
			default:
				side = false
			}
			if side {
				list = list[1:]
			}
		}
		if len(list) > maxCountries {
			return problem("too many arguments for geoip keyword")
		}
		for _, c := range list {
			c, not := strings.CutPrefix(c, "!")
			m.negated = m.negated || not
			if c == "" {
				return problem("\"" + v + "\" is no valid setting for geoip")
			}
			m.codes = append(m.codes, c)
		}
		b.Match("geoip", m, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

type geoMatch struct {
	table          *geoip.Table
	src, dst, both bool
	negated        bool
	codes          []string
}

// Match looks the addresses up. Only IPv4 has countries, as in the reference.
func (m *geoMatch) Match(c *detect.Ctx) bool {
	p := c.Packet
	if p.IPVersion != 4 {
		return false
	}
	src := m.src && m.at(&p.Src)
	if src && !m.both {
		return true
	}
	return m.dst && (src || !m.both) && m.at(&p.Dst)
}

// at reports whether an address is in one of the countries, or with negation in a known one that is not among them.
func (m *geoMatch) at(a *decode.Addr) bool {
	code := m.table.Country(a.As4())
	return code != "" && slices.Contains(m.codes, code) != m.negated
}
