package keyword

import (
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// ipOpts asks for an option of IPv4. "any" asks for all there might be, and so, as in the reference, for none there is.
func ipOpts() detect.Keyword {
	return detect.Keyword{Name: "ipopts", Doc: "check if a specific IP option is set", Setup: func(b *detect.Builder, v string) error {
		for _, o := range ipOptNames {
			if strings.EqualFold(o.name, v) {
				b.Match("ipopts", ipOptMatch{o.bit}, detect.NeedIP|detect.NeedPacket)
				return nil
			}
		}
		return problem("unknown IP option specified \"" + v + "\"")
	}}
}

var ipOptNames = [...]struct {
	name string
	bit  decode.IPOptSet
}{
	{"rr", decode.IPOptRR}, {"eol", decode.IPOptEOL}, {"nop", decode.IPOptNOP}, {"ts", decode.IPOptTS}, {"sec", decode.IPOptSEC},
	{"esec", decode.IPOptESEC}, {"lsrr", decode.IPOptLSRR}, {"ssrr", decode.IPOptSSRR}, {"satid", decode.IPOptSID},
	{"qs", decode.IPOptQS}, {"rtralt", decode.IPOptRTRALT}, {"cipso", decode.IPOptCIPSO}, {"any", 0xffff},
}

type ipOptMatch struct{ opt decode.IPOptSet }

func (m ipOptMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasIPv4) && c.Packet.IPOpts&m.opt == m.opt
}
